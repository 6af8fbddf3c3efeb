// n:m masks. Read: 4 bytes a score, in loads of 16 where m is 4 or 8; written: 1 byte, in stores of m.
// 2:4 takes 122 instructions of sm_90a for 20 bytes. Other patterns take a thread a score, which reads its
// m neighbours through the first cache level.
#include "cuda/array_steps.cuh"
#include "cuda/launch.hpp"
#include "cuda/mask.hpp"
#include "cuda/ops_call.hpp"
#include "kernels/prune_mask/step.h"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 256;

/// Groups of kOf that no row's end cuts, one a thread.
template <uint32_t kOf>
__global__ void __launch_bounds__(kThreads)
    group_kernel(const float4* scores, const uint64_t n_groups, const uint32_t keep,
                 const uint32_t is_signed, uint32_t* mask, unsigned long long* first_nan) {
  constexpr uint32_t kQuads = kOf / 4;
  const uint64_t group = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (group >= n_groups) return;
  int32_t keys[kOf];
#pragma unroll
  for (uint32_t quad = 0; quad < kQuads; ++quad) {
    const float4 read = scores[group * kQuads + quad];
    keys[4 * quad] = cordwood_prune_key(read.x, is_signed);
    keys[4 * quad + 1] = cordwood_prune_key(read.y, is_signed);
    keys[4 * quad + 2] = cordwood_prune_key(read.z, is_signed);
    keys[4 * quad + 3] = cordwood_prune_key(read.w, is_signed);
  }
#pragma unroll
  for (uint32_t quad = 0; quad < kQuads; ++quad) {
    uint32_t bytes = 0;
#pragma unroll
    for (uint32_t lane = 0; lane < 4; ++lane) {
      const uint32_t own = 4 * quad + lane;
      uint32_t beaten = 0;
#pragma unroll
      for (uint32_t other = 0; other < kOf; ++other) {
        if (other != own) beaten += cordwood_prune_beats(keys[other], other, keys[own], own);
      }
      bytes |= (beaten < keep ? 1u : 0u) << (8 * lane);
      if (cordwood_prune_key_is_nan(keys[own])) note_place(first_nan, group * kOf + own);
    }
    mask[group * kQuads + quad] = bytes;
  }
}

__global__ void __launch_bounds__(kThreads)
    neighbour_kernel(const MaskScores scores, const uint32_t keep, const uint32_t of, uint8_t* mask,
                     unsigned long long* first_nan) {
  const uint64_t at = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= scores.n_rows * scores.n_inputs) return;
  const uint64_t row = divide(at, scores.n_inputs);
  const uint64_t input = at - row * scores.n_inputs;
  const auto own = static_cast<uint32_t>(input - divide(input, of) * of);
  const uint64_t left = scores.n_inputs - (input - own);
  const uint32_t size = left < of ? static_cast<uint32_t>(left) : of;
  const float* group = scores.scores + at - own;
  const int32_t key = cordwood_prune_key(group[own], scores.is_signed);
  if (cordwood_prune_key_is_nan(key)) note_place(first_nan, at);
  uint32_t beaten = 0;
  for (uint32_t other = 0; other < size; ++other) {
    const int32_t other_key = cordwood_prune_key(group[other], scores.is_signed);
    beaten += cordwood_prune_beats(other_key, other, key, own);
  }
  mask[at] = beaten < cordwood_prune_kept(size, keep, of) ? 1 : 0;
}

Launch threads_for(uint64_t count, cudaStream_t stream) noexcept {
  return {.grid = dim3(blocks_for(count, kThreads)),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = "mask"};
}

Status choose(const MaskScores& scores, uint32_t keep, uint32_t of, uint8_t* mask,
              unsigned long long* first_nan, cudaStream_t stream) noexcept {
  const bool whole = (of == 4 || of == 8) && scores.n_inputs % of == 0 &&
                     is_aligned(scores.scores, 16) && is_aligned(mask, 4);
  if (!whole) {
    return launch(neighbour_kernel, threads_for(scores.size(), stream), scores, keep, of, mask,
                  first_nan);
  }
  const uint64_t n_groups = scores.size() / of;
  return launch(of == 4 ? group_kernel<4> : group_kernel<8>, threads_for(n_groups, stream),
                reinterpret_cast<const float4*>(scores.scores), n_groups, keep, scores.is_signed,
                reinterpret_cast<uint32_t*>(mask), first_nan);
}

}  // namespace

Result<uint64_t> mask_groups(const MaskScores& scores, uint32_t keep, uint32_t of, uint8_t* mask,
                             cudaStream_t stream) noexcept {
  PlaceOnDevice nan;
  CORDWOOD_RETURN_IF_FAILED(nan.open(0, stream));
  CORDWOOD_RETURN_IF_FAILED(choose(scores, keep, of, mask, nan.place(), stream));
  return nan.wait();
}

}  // namespace cordwood::cuda
