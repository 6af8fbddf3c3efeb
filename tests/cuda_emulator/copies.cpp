// Copies and fills, each checked against where its memory lies.
#include <cstdio>
#include <cstring>

#include "allocations.h"
#include "cuda_launch.h"
#include "cuda_runtime_api.h"
#include "late_copies.h"
#include "state.h"
#include "streams.h"

using namespace cuda_emulator;

namespace {

bool sides_match(cudaMemcpyKind kind, Side to, Side from) {
  if (to == Side::kOutside || from == Side::kOutside) return false;
  if (kind == cudaMemcpyDefault) return true;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return (to == Side::kDevice) == to_device && (from == Side::kDevice) == from_device;
}

enum class When { kNow, kLate };

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t stream, When when) {
  if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) {
    return cudaErrorInvalidMemcpyDirection;
  }
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  if (!sides_match(kind, side(to, bytes), side(from, bytes))) {
    std::fprintf(stderr, "cuda emulator: a copy of %zu bytes, kind %d, to %s, from %s\n", bytes,
                 static_cast<int>(kind), describe_address(to).c_str(),
                 describe_address(from).c_str());
    return cudaErrorInvalidValue;
  }
  // Pageable memory is read, and written, before such a call returns.
  if (when == When::kLate && is_pinned(to) != is_pinned(from)) {
    put_off_copy(to, from, bytes, stream);
    return cudaSuccess;
  }
  finish_copies(stream);
  const CopyAccess to_access(to);
  const CopyAccess from_access(from);
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t fill(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (side(pointer, bytes) != Side::kDevice) return cudaErrorInvalidValue;
  finish_copies(stream);
  const CopyAccess access(pointer);
  std::memset(pointer, value, bytes);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return device_call(__func__, [&] { return copy(to, from, bytes, kind, nullptr, When::kNow); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return device_call(__func__, [&] { return copy(to, from, bytes, kind, stream, When::kLate); });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  return device_call(__func__, [&] {
    if (width > to_pitch || width > from_pitch) return cudaErrorInvalidValue;
    for (std::size_t row = 0; row < height; ++row) {
      const cudaError_t copied =
          copy(static_cast<char*>(to) + row * to_pitch,
               static_cast<const char*>(from) + row * from_pitch, width, kind, stream, When::kLate);
      if (copied != cudaSuccess) return copied;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) {
  return device_call(__func__, [&] { return fill(pointer, value, bytes, nullptr); });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return device_call(__func__, [&] { return fill(pointer, value, bytes, stream); });
}

// Constant memory is a variable of the program: only its size can be wrong.
cudaError_t cuda_emulator::copy_to_symbol(char* symbol, std::size_t symbol_bytes, const void* from,
                                          std::size_t bytes, std::size_t offset,
                                          cudaStream_t stream) {
  return device_call([&] {
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    if (from == nullptr || offset > symbol_bytes || bytes > symbol_bytes - offset) {
      return cudaErrorInvalidValue;
    }
    finish_copies(stream);
    const CopyAccess access(from);
    std::memcpy(symbol + offset, from, bytes);
    return cudaSuccess;
  });
}
