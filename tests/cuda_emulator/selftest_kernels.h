// Right kernels, then wrong ones, for selftest.cu alone.
#pragma once

#include <cuda_runtime.h>

#include "selftest_words.h"

// The sum of all values: by shuffles in a warp, through shared memory in a block, then atomically.
__global__ void __launch_bounds__(256) reduce(const int* __restrict__ values, int count, int* sum) {
  int* of_warps = reinterpret_cast<int*>(block_memory);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int value = i < count ? __ldg(values + i) : 0;
  for (unsigned int delta = 16; delta > 0; delta /= 2) {
    value += __shfl_down_sync(0xffffffffu, value, delta);
  }
  if (threadIdx.x % warpSize == 0) of_warps[threadIdx.x / warpSize] = value;
  __syncthreads();
  if (threadIdx.x < 32) {
    value = threadIdx.x < blockDim.x / 32 ? of_warps[threadIdx.x] : 0;
    value = __reduce_add_sync(0xffffffffu, value);
    if (threadIdx.x == 0) atomicAdd(sum, value);
  }
}

// Prefix sums of each block's values; the loop needs both barriers.
template <bool kWithBarrier>
__device__ __forceinline__ void scan_block(int* values) {
  int* shared = reinterpret_cast<int*>(block_memory);
  int* own = values + blockIdx.x * blockDim.x + threadIdx.x;
  shared[threadIdx.x] = *own;
  __syncthreads();
  for (unsigned int distance = 1; distance < blockDim.x; distance *= 2) {
    const int before = threadIdx.x >= distance ? shared[threadIdx.x - distance] : 0;
    if constexpr (kWithBarrier) __syncthreads();
    shared[threadIdx.x] += before;
    __syncthreads();
  }
  *own = shared[threadIdx.x];
}

__global__ void scan(int* values) {
  scan_block<true>(values);
}
__global__ void scan_without_barrier(int* values) {
  scan_block<false>(values);
}

__global__ void transpose(const int* from, int side, int* to) {
  int* tile = reinterpret_cast<int*>(block_memory);
  const unsigned int x = threadIdx.x;
  const auto pitch = static_cast<unsigned int>(side);
  for (unsigned int y = threadIdx.y; y < 32; y += blockDim.y) {
    tile[y * 33 + x] = from[(blockIdx.y * 32 + y) * pitch + blockIdx.x * 32 + x];
  }
  __syncthreads();
  for (unsigned int y = threadIdx.y; y < 32; y += blockDim.y) {
    to[(blockIdx.x * 32 + y) * pitch + blockIdx.y * 32 + x] = tile[x * 33 + y];
  }
}

__global__ void histogram(const int* values, unsigned int* counts) {
  unsigned int* of_block = reinterpret_cast<unsigned int*>(block_memory);
  if (threadIdx.x < 16) of_block[threadIdx.x] = 0;
  __syncthreads();
  const int value = values[blockIdx.x * blockDim.x + threadIdx.x];
  atomicAdd(&of_block[static_cast<unsigned int>(value) & 15u], 1u);
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], of_block[threadIdx.x]);
}

__global__ void reverse(int* values) {
  int4* shared = reinterpret_cast<int4*>(block_memory);
  int4* vectors = reinterpret_cast<int4*>(values);
  for (unsigned int i = threadIdx.x; i < 4096; i += blockDim.x) shared[i] = vectors[i];
  __syncthreads();
  for (unsigned int i = threadIdx.x; i < 4096; i += blockDim.x) {
    const int4 from = shared[4095 - i];
    vectors[i] = make_int4(from.w, from.z, from.y, from.x);
  }
}

__global__ void divergent_barrier(int* values) {
  if (threadIdx.x < 40) {
    values[threadIdx.x] = 1;
    __syncthreads();
  }
}

__global__ void two_barriers(int* values) {
  if (threadIdx.x < 32) {
    values[threadIdx.x] = 1;
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void partial_mask(int* values) {
  if (threadIdx.x % 2 == 0) {
    values[threadIdx.x] = __shfl_xor_sync(0xffffffffu, values[threadIdx.x], 2);
  }
}

__global__ void foreign_mask(int* values) {
  values[threadIdx.x] = __shfl_sync(0x0000ffffu, values[threadIdx.x], 0);
}

// 33 values are allocated: the write past them lands in the allocation's last 256 bytes.
__global__ void write_past_end(int* values) {
  values[threadIdx.x + 2] = 1;
}

__global__ void write_before_start(int* values) {
  values[static_cast<int>(threadIdx.x) - 3] = 1;
}

__global__ void read_far(int* values) {
  if (threadIdx.x == 5) values[0] = values[1000];
}

__global__ void write_past_shared(int* values) {
  int* shared = reinterpret_cast<int*>(block_memory);
  shared[threadIdx.x + 1] = values[threadIdx.x];
}

__device__ __noinline__ int deeper(volatile int* values, int depth) {
  volatile int local[256];
  local[depth % 256] = values[0];
  return depth == 0 ? local[0] : deeper(values, depth - 1) + local[depth % 256];
}

__global__ void deep_stack(int* values) {
  values[threadIdx.x] = deeper(values, 100000);
}

__global__ void endless(int* values) {
  while (*static_cast<volatile int*>(values) != 123456789) {
  }
}

__global__ void endless_meetings(int* values) {
  while (__any_sync(0xffffffffu, *static_cast<volatile int*>(values) != 123456789)) {
  }
}

__global__ void trap(int* values) {
  if (values[threadIdx.x] == values[7]) __trap();
}

__global__ void nothing(int*) {}
