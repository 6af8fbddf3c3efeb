#include "emulator_access.h"

#include "allocations.h"
#include "block.h"
#include "calls.h"
#include "cuda_runtime_api.h"
#include "late_copies.h"
#include "state.h"
#include "streams.h"

using namespace cuda_emulator;

void cordwood_cuda_emulator_reset() {
  const std::lock_guard lock(device_lock());
  forget_copies();
  reset_state();
}

void* cordwood_cuda_emulator_allocate(std::size_t bytes) {
  void* pointer = nullptr;
  return cudaMalloc(&pointer, bytes) == cudaSuccess ? pointer : nullptr;
}

int cordwood_cuda_emulator_free(void* pointer) {
  return cudaFree(pointer);
}

int cordwood_cuda_emulator_copy(void* to, const void* from, std::size_t bytes) {
  return cudaMemcpy(to, from, bytes, cudaMemcpyDefault);
}

void* cordwood_cuda_emulator_create_stream() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}

int cordwood_cuda_emulator_destroy_stream(void* stream) {
  return cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

std::size_t cordwood_cuda_emulator_used_bytes() {
  const std::lock_guard lock(device_lock());
  return used_device_bytes();
}

std::size_t cordwood_cuda_emulator_pinned_bytes() {
  const std::lock_guard lock(device_lock());
  return used_pinned_bytes();
}

std::size_t cordwood_cuda_emulator_handles() {
  const std::lock_guard lock(device_lock());
  return living_handles();
}

unsigned long long cordwood_cuda_emulator_calls(const char* function) {
  const std::lock_guard lock(device_lock());
  return calls_of(function);
}

unsigned long long cordwood_cuda_emulator_launches() {
  const std::lock_guard lock(device_lock());
  return launch_count();
}

void* cordwood_cuda_emulator_last_stream() {
  const std::lock_guard lock(device_lock());
  return launch_stream();
}

int cordwood_cuda_emulator_set_device(int device) {
  return cudaSetDevice(device);
}
