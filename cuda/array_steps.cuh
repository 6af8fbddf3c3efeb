// Steps of kernels that stream over arrays.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace cordwood::cuda {

/// Whether an address suits loads and stores of so many bytes.
__host__ __device__ inline bool is_aligned(const void* address, uint32_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

/// A quotient: numbers of 32 bits, as most are, cost a fraction of what wide ones do.
__device__ inline uint64_t divide(uint64_t a, uint64_t b) {
  if ((a | b) >> 32 != 0) return a / b;
  return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}

__device__ inline void note_place(unsigned long long* first, uint64_t place) {
  atomicMin(first, static_cast<unsigned long long>(place));
}

}  // namespace cordwood::cuda
