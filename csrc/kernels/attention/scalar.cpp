// Weights of attention, plainly: one key of one row at a time.
#include <math.h>

#include "kernels/attention/attention.hpp"
#include "kernels/math/exp.hpp"
#include "kernels/math/lanes_scalar.hpp"
#include "kernels/math/tanh.hpp"

namespace cordwood::kernels::scalar {
namespace {

using Lanes = math::ScalarLanes;

/// The score of a key that lies in the row's span.
float score_of(const AttentionWeights& task, uint64_t row, uint64_t key) noexcept {
  float score = task.scores[row * task.stride + key] * task.scale;
  if (task.soft_cap != 0.0f) score = task.soft_cap * math::tanh<Lanes>(score / task.soft_cap);
  const uint64_t at = row * task.mask_stride + key;
  if (task.mask_kind == AttentionMask::numbers) {
    score += static_cast<const float*>(task.mask)[at];
  } else if (task.mask_kind == AttentionMask::flags) {
    if (static_cast<const uint8_t*>(task.mask)[at] == 0) score = -INFINITY;
  }
  return score;
}

float weigh_row(const AttentionWeights& task, uint64_t row) noexcept {
  const KeySpan span = task.spans[row];
  float* scores = task.scores + row * task.stride;
  float most = -INFINITY;
  bool any_nan = false;
  for (uint64_t key = 0; key < task.width; ++key) {
    const bool inside = span.first <= key && key < span.last;
    const float score = inside ? score_of(task, row, key) : -INFINITY;
    any_nan = any_nan || score != score;
    if (score > most) most = score;
    scores[key] = score;
  }
  float sums[kSumLanes] = {};
  for (uint64_t key = 0; key < task.width; ++key) {
    const bool takes_part = scores[key] != -INFINITY;
    scores[key] = takes_part ? math::exp<Lanes>(scores[key] - most) : -0.0f;
    sums[key % kSumLanes] += scores[key];
  }
  if (any_nan) return NAN;
  if (most == -INFINITY) return 1.0f;
  for (uint64_t half = kSumLanes / 2; half != 0; half /= 2) {
    for (uint64_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

}  // namespace

void attention_weights_f32(const AttentionWeights& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) task.divisors[row] = weigh_row(task, row);
}

void attention_values_f32(const AttentionValues& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    for (uint64_t column = 0; column < task.n_columns; ++column) {
      float sum = 0.0f;
      for (uint64_t key = 0; key < task.n_keys; ++key) {
        const float weight = task.weights[row * task.weight_stride + key];
        if (__builtin_signbitf(weight) != 0) continue;
        sum = fmaf(weight, task.values[key * task.value_stride + column], sum);
      }
      task.out[row * task.out_stride + column] = sum;
    }
  }
}

}  // namespace cordwood::kernels::scalar
