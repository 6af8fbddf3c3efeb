// The range of each group narrowed to where its squared error is least. A block has eight threads for
// each share of the range, which go over the group side by side; arithmetic binds, not memory: 4 bytes a
// weight are read from memory, and again from the first cache level for each share.
//
// Errors are added in the order of NumPy's sum, which the host's choice of scales takes: halves of a
// multiple of eight down to 128 terms, eight sums of these, folded by neighbours.
#include <cmath>

#include "cuda/launch.hpp"
#include "cuda/ops_call.hpp"
#include "cuda/weights_encode.cuh"
#include "cuda/weights_run.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kSums = 8;
constexpr uint64_t kLeaf = 128;  ///< terms that are added without halving
constexpr uint32_t kDepth = 36;  ///< halvings: enough for what a device can hold
constexpr uint32_t kWholeWarp = 0xFFFFFFFFu;

struct ClipTask {
  const float* w;
  WeightsForm form;
  RangeRatios ratios;
  WeightCodes codes;
  unsigned long long* first_bad;
};

/// The squared error of one weight, and what it needs to know of its group.
struct Errors {
  const float* w;
  uint64_t count;  ///< weights; a group cut short is filled up with zeros, whose error is 0
  float reciprocal;
  float scale;
  float unit;  ///< reciprocal of the largest magnitude: errors of huge weights would overflow
  float least;
  float most;

  __device__ float at(uint64_t i) const {
    if (i >= count) return 0.0f;
    const float weight = w[i];
    float step = nearbyintf(weight * reciprocal);
    step = step > least ? step : least;
    step = step < most ? step : most;
    const float error = (step * scale - weight) * unit;
    return error * error;
  }
};

/// Sum of the errors [first, first + count), count up to kLeaf, by eight neighbouring threads.
__device__ float leaf_sum(const Errors& errors, uint64_t first, uint64_t count, uint32_t member) {
  float sum = 0.0f;
  uint64_t i = 0;
  if (count >= kSums) {
    sum = errors.at(first + member);
    for (i = kSums; i + kSums <= count; i += kSums) sum += errors.at(first + i + member);
#pragma unroll
    for (int step = 1; step < static_cast<int>(kSums); step *= 2) {
      sum += __shfl_xor_sync(kWholeWarp, sum, step);
    }
  }
  for (; i < count; ++i) sum += errors.at(first + i);
  return sum;
}

__device__ float group_sum(const Errors& errors, uint64_t count, uint32_t member) {
  float left_sums[kDepth];
  uint64_t right_counts[kDepth];
  uint64_t has_left = 0;  // a bit for each depth
  uint32_t depth = 0;
  uint64_t first = 0;
  for (uint64_t size = count;;) {
    while (size > kLeaf) {
      const uint64_t half = size / 2 - size / 2 % kSums;
      has_left &= ~(uint64_t{1} << depth);
      right_counts[depth++] = size - half;
      size = half;
    }
    float sum = leaf_sum(errors, first, size, member);
    first += size;
    while (depth > 0 && (has_left >> (depth - 1) & 1) != 0) sum = left_sums[--depth] + sum;
    if (depth == 0) return sum;
    left_sums[depth - 1] = sum;
    has_left |= uint64_t{1} << (depth - 1);
    size = right_counts[depth - 1];
  }
}

__global__ void clip_kernel(const ClipTask task) {
  const WeightsForm& form = task.form;
  const uint64_t number = blockIdx.x;
  const uint64_t output = divide(number, form.n_groups);
  const uint64_t first = (number - output * form.n_groups) * form.group_size;
  const uint64_t left = form.n_inputs - first;
  const uint64_t place = output * form.n_inputs + first;
  const uint64_t count = left < form.group_size ? left : form.group_size;
  const float* w = task.w + place;

  // Every warp finds the range by itself: nobody waits, and the weights come into the cache.
  const Range range = team_range<kWarp>({w, count, place}, threadIdx.x % kWarp, task.first_bad);
  const float largest = range.high > -range.low ? range.high : -range.low;

  const uint32_t ratio = threadIdx.x / kSums;
  const bool is_there = ratio < task.ratios.count;
  const float share = task.ratios.ratios[is_there ? ratio : 0];
  const GroupScale chosen = choose_scale(form, range.low * share, range.high * share);
  const Errors errors{.w = w,
                      .count = count,
                      .reciprocal = cordwood_scale_inverse(chosen.scale),
                      .scale = chosen.scale,
                      .unit = cordwood_scale_inverse(largest),
                      .least = -static_cast<float>(chosen.zero),
                      .most = static_cast<float>((1u << form.bits) - 1 - chosen.zero)};
  const float error = group_sum(errors, form.group_size, threadIdx.x % kSums);

  auto* found = reinterpret_cast<float*>(block_memory);
  if (threadIdx.x % kSums == 0) found[ratio] = is_there ? error : INFINITY;
  __syncthreads();
  uint32_t best = 0;
  float least = INFINITY;
  for (uint32_t i = 0; i < task.ratios.count; ++i) {
    if (found[i] < least) {
      least = found[i];
      best = i;
    }
  }
  if (ratio == best && threadIdx.x % kSums == 0) store_scale(form, task.codes, number, chosen);
}

}  // namespace

Result<uint64_t> clip_weights(const float* w, const WeightsForm& form, const RangeRatios& ratios,
                              const WeightCodes& codes, cudaStream_t stream) noexcept {
  PlaceOnDevice bad;
  CORDWOOD_RETURN_IF_FAILED(bad.open(0, stream));
  const ClipTask task{
      .w = w, .form = form, .ratios = ratios, .codes = codes, .first_bad = bad.place()};
  const uint32_t threads = (ratios.count * kSums + kWarp - 1) / kWarp * kWarp;
  const Launch how{.grid = dim3(blocks_for(form.n_outputs * form.n_groups, 1)),
                   .threads = threads,
                   .shared_bytes = threads / kSums * sizeof(float),
                   .stream = stream,
                   .place = "weights"};
  CORDWOOD_RETURN_IF_FAILED(launch(clip_kernel, how, task));
  CORDWOOD_RETURN_IF_FAILED(encode_weights(w, form, codes, true, bad.place(), stream));
  return bad.wait();
}

}  // namespace cordwood::cuda
