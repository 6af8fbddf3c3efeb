// The last key that stays, found digit by digit from the top, and masks that cut at it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/array_steps.cuh"
#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "kernels/prune_mask/step.h"

namespace cordwood::cuda {

inline constexpr uint32_t kSelectThreads = 256;
inline constexpr uint32_t kSelectWarps = kSelectThreads / kWarp;
inline constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

/// What is known of the last key to stay.
struct Cut {
  uint32_t digits;  ///< its upper ones, as in ordered_key()
  uint64_t rank;    ///< how many keys with these digits stay; 0 where nothing stays at all
  uint64_t equal;   ///< how many there are
};

/// Keys as numbers without a sign, of the same order.
__device__ inline uint32_t ordered_key(int32_t key) {
  return static_cast<uint32_t>(key) ^ 0x80000000u;
}

__device__ inline int32_t cut_key(const Cut& cut) {
  return static_cast<int32_t>(cut.digits ^ 0x80000000u);
}

/// Sum over the threads before this one, and over all. `sums` are kSelectWarps numbers of shared memory.
struct BlockSum {
  uint64_t before;
  uint64_t all;
};

__device__ inline BlockSum block_sum(uint64_t own, uint64_t* sums) {
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t warp = threadIdx.x / kWarp;
  uint64_t up_to = own;
  for (uint32_t step = 1; step < kWarp; step *= 2) {
    const uint64_t other = __shfl_up_sync(kAllLanes, up_to, step);
    if (lane >= step) up_to += other;
  }
  if (lane == kWarp - 1) sums[warp] = up_to;
  __syncthreads();
  BlockSum sum{up_to - own, 0};
  for (uint32_t other = 0; other < kSelectWarps; ++other) {
    if (other < warp) sum.before += sums[other];
    sum.all += sums[other];
  }
  __syncthreads();
  return sum;
}

/// Takes one digit more into the cut. `counts` are of keys that have its digits so far, `kPerThread`
/// for each of the block's threads, and `cut` is shared by them.
template <uint32_t kPerThread, class Count>
__device__ void choose_digit(const Count* counts, uint32_t shift, uint64_t* sums, Cut* cut) {
  constexpr uint32_t kDigits = kPerThread * kSelectThreads;
  const uint32_t first = kDigits - 1 - threadIdx.x * kPerThread;  // from the highest digit down
  uint64_t own = 0;
  for (uint32_t i = 0; i < kPerThread; ++i) own += counts[first - i];
  const Cut before = *cut;
  uint64_t above = block_sum(own, sums).before;
  if (before.rank <= above || before.rank > above + own) return;
  for (uint32_t i = 0; i < kPerThread; ++i) {
    const uint64_t count = counts[first - i];
    if (before.rank <= above + count) {
      *cut = {before.digits | (first - i) << shift, before.rank - above, count};
      return;
    }
    above += count;
  }
}

/// Marks the keys above a floor.
__device__ inline void mark_above(const float* scores, uint8_t* mask, uint64_t count, int32_t floor,
                                  uint32_t is_signed) {
  const auto stays = [&](float score) {
    return cordwood_prune_key(score, is_signed) > floor ? 1u : 0u;
  };
  const bool in_fours = is_aligned(scores, 16) && is_aligned(mask, 4);
  const uint64_t n_fours = in_fours ? count / 4 : 0;
  for (uint64_t four = threadIdx.x; four < n_fours; four += kSelectThreads) {
    const float4 read = reinterpret_cast<const float4*>(scores)[four];
    reinterpret_cast<uint32_t*>(mask)[four] =
        stays(read.x) | stays(read.y) << 8 | stays(read.z) << 16 | stays(read.w) << 24;
  }
  for (uint64_t i = n_fours * 4 + threadIdx.x; i < count; i += kSelectThreads) {
    mask[i] = static_cast<uint8_t>(stays(scores[i]));
  }
}

/// Marks the keys above the cut, and of those at it the first `ties`, in order.
__device__ inline void mark_in_order(const float* scores, uint8_t* mask, uint64_t count,
                                     int32_t cut, uint64_t ties, uint32_t is_signed,
                                     uint64_t* sums) {
  uint64_t before = 0;
  for (uint64_t first = 0; first < count; first += kSelectThreads) {
    const uint64_t i = first + threadIdx.x;
    const bool is_there = i < count;
    const int32_t key = is_there ? cordwood_prune_key(scores[i], is_signed) : cut;
    const bool is_tie = is_there && key == cut;
    const BlockSum sum = block_sum(is_tie ? 1 : 0, sums);
    const bool stays = key > cut || (is_tie && before + sum.before < ties);
    if (is_there) mask[i] = stays ? 1 : 0;
    before += sum.all;
  }
}

/// Marks keys of which `equal` lie at the cut, and `ties` of these stay.
__device__ inline void mark_cut(const float* scores, uint8_t* mask, uint64_t count, int32_t cut,
                                uint64_t ties, uint64_t equal, uint32_t is_signed, uint64_t* sums) {
  if (ties == 0) {
    mark_above(scores, mask, count, cut, is_signed);
  } else if (ties >= equal) {
    mark_above(scores, mask, count, cut - 1, is_signed);
  } else {
    mark_in_order(scores, mask, count, cut, ties, is_signed, sums);
  }
}

}  // namespace cordwood::cuda
