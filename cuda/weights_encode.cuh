// A group of weights by a team of threads: its range, and its codes.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/weights_codes.cuh"

namespace cordwood::cuda {

inline constexpr uint32_t kEncodeThreads = 256;

struct Range {
  float low;
  float high;
};

/// One group, or none for a team that has no work left: it still meets the others.
struct GroupWeights {
  const float* w;
  uint64_t count;
  uint64_t place;  ///< of its first weight in the matrix
};

__device__ inline Range join(const Range& a, const Range& b) {
  return {b.low < a.low ? b.low : a.low, b.high > a.high ? b.high : a.high};
}

/// From the least weight or zero to the largest or zero; every thread of the team gets it. Teams are
/// neighbours in a warp, or the whole block.
template <uint32_t kTeam>
__device__ Range team_range(const GroupWeights& group, uint32_t member,
                            unsigned long long* first_bad) {
  Range range{0.0f, 0.0f};
  for (uint64_t first = uint64_t{member} * kCodes; first < group.count; first += kTeam * kCodes) {
    const uint64_t left = group.count - first;
    float read[kCodes];
    load_weights(group.w + first, left < kCodes ? static_cast<uint32_t>(left) : kCodes, read);
#pragma unroll
    for (uint32_t i = 0; i < kCodes; ++i) {
      if (cordwood_weight_is_finite(read[i]) == 0) note_place(first_bad, group.place + first + i);
      range = join(range, {read[i], read[i]});
    }
  }
  constexpr uint32_t kLanes = kTeam < kWarp ? kTeam : kWarp;
#pragma unroll
  for (uint32_t step = kLanes / 2; step > 0; step /= 2) {
    range = join(range, {__shfl_xor_sync(0xFFFFFFFFu, range.low, static_cast<int>(step)),
                         __shfl_xor_sync(0xFFFFFFFFu, range.high, static_cast<int>(step))});
  }
  if constexpr (kTeam > kWarp) {
    auto* ranges = reinterpret_cast<Range*>(block_memory);
    if (threadIdx.x % kWarp == 0) ranges[threadIdx.x / kWarp] = range;
    __syncthreads();
    for (uint32_t warp = 0; warp < kTeam / kWarp; ++warp) range = join(range, ranges[warp]);
  }
  return range;
}

template <uint32_t kBits, uint32_t kTeam>
__device__ void encode_group(const GroupWeights& group, uint32_t member, const GroupScale& by,
                             uint8_t* payload) {
  constexpr auto kTop = static_cast<float>((1u << kBits) - 1);
  const float reciprocal = cordwood_scale_inverse(by.scale);
  const float zero = by.zero;
  for (uint64_t first = uint64_t{member} * kCodes; first < group.count; first += kTeam * kCodes) {
    const uint64_t left = group.count - first;
    const uint32_t count = left < kCodes ? static_cast<uint32_t>(left) : kCodes;
    float read[kCodes];
    load_weights(group.w + first, count, read);
    uint64_t packed = 0;
#pragma unroll
    for (uint32_t i = 0; i < kCodes; ++i) {
      const uint64_t code = cordwood_weight_code(read[i], reciprocal, zero, kTop);
      if (i < count) packed |= code << (i * kBits);
    }
    store_codes<kBits>(packed, count, payload + first / kCodes * kBits);
  }
}

}  // namespace cordwood::cuda
