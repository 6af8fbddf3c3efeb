#include "cuda/memory.hpp"

#include <cstdint>

#include "cuda/memory_pool.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

constexpr const char* kDevicePlace = "memory of the device";
constexpr const char* kPinnedPlace = "pinned memory of the host";

/// Whole lines, as the runtime aligns blocks; 0 where there are too many.
constexpr std::size_t block_bytes(std::size_t bytes) noexcept {
  return bytes > SIZE_MAX - kLine ? 0 : whole_lines(bytes);
}

/// The Status of an allocation: where memory has run out it says how much was asked for.
Status of_allocation(cudaError_t error, std::size_t bytes, const char* place) noexcept {
  if (error != cudaErrorMemoryAllocation) return status_of(error, place);
  note(error);
  return fail(CORDWOOD_STATUS_device_out_of_memory, place,
              "{} bytes could not be had; give fewer rows at a time, or a smaller model", bytes);
}

/// Allocates memory of the device; where there is none, once more without what the pool of scratch keeps.
template <class Call>
Status allocate(Call&& call, std::size_t bytes) noexcept {
  cudaError_t error = call();
  if (error == cudaErrorMemoryAllocation) {
    note(error);
    trim_scratch_pool();
    error = call();
  }
  return of_allocation(error, bytes, kDevicePlace);
}

Status too_many(std::size_t bytes, const char* place) noexcept {
  return fail(CORDWOOD_STATUS_device_out_of_memory, place, "{} bytes are more than there can be",
              bytes);
}

}  // namespace

Status DeviceBuffer::reserve(std::size_t bytes) noexcept {
  if (bytes <= size_) return {};
  const std::size_t wanted = block_bytes(bytes);
  if (wanted == 0) return too_many(bytes, kDevicePlace);
  free();  // the old block goes first: both together are never needed
  void* block = nullptr;
  const Status status = allocate([&] { return cudaMalloc(&block, wanted); }, wanted);
  if (!status.ok()) return status;
  block_ = static_cast<std::byte*>(block);
  size_ = wanted;
  in_stream_ = false;
  return {};
}

Status DeviceBuffer::reserve(std::size_t bytes, cudaStream_t stream) noexcept {
  if (bytes <= size_) return {};
  const std::size_t wanted = block_bytes(bytes);
  if (wanted == 0) return too_many(bytes, kDevicePlace);
  free();
  const Result<cudaMemPool_t> pool = scratch_pool();
  if (!pool) return pool.status();
  void* block = nullptr;
  const Status status =
      allocate([&] { return cudaMallocFromPoolAsync(&block, wanted, *pool, stream); }, wanted);
  if (!status.ok()) return status;
  block_ = static_cast<std::byte*>(block);
  size_ = wanted;
  stream_ = stream;
  in_stream_ = true;
  return {};
}

void DeviceBuffer::free() noexcept {
  if (block_ != nullptr) note(in_stream_ ? cudaFreeAsync(block_, stream_) : cudaFree(block_));
  block_ = nullptr;
  size_ = 0;
}

Status PinnedBuffer::reserve(std::size_t bytes) noexcept {
  if (bytes <= size_) return {};
  const std::size_t wanted = block_bytes(bytes);
  if (wanted == 0) return too_many(bytes, kPinnedPlace);
  free();
  void* block = nullptr;
  const Status status = of_allocation(cudaMallocHost(&block, wanted), wanted, kPinnedPlace);
  if (!status.ok()) return status;
  block_ = static_cast<std::byte*>(block);
  size_ = wanted;
  return {};
}

void PinnedBuffer::free() noexcept {
  if (block_ != nullptr) note(cudaFreeHost(block_));
  block_ = nullptr;
  size_ = 0;
}

}  // namespace cordwood::cuda
