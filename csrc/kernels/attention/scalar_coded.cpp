// Attention on integers, plainly: the reference of every other row.
#include <math.h>

#include <cstring>

#include "kernels/attention/coded.hpp"
#include "kernels/math/exp2.hpp"
#include "kernels/math/lanes_scalar.hpp"
#include "kernels/math/tanh.hpp"

namespace cordwood::kernels::scalar {
namespace {

using Lanes = math::ScalarLanes;

constexpr float kTiny = 0x1p-100f;

/// Adding kRounder leaves a whole number in a float's low bits.
int16_t low_bits(float x) noexcept {
  int16_t code;
  std::memcpy(&code, &x, sizeof code);
  return code;
}

/// The score of a key that lies in the row's span.
float score_of(const AttentionWeights& task, uint64_t row, uint64_t key) noexcept {
  float score = task.scores[row * task.stride + key];
  if (task.soft_cap != 0.0f) score = task.soft_cap * math::tanh<Lanes>(score / task.soft_cap);
  const uint64_t at = row * task.mask_stride + key;
  if (task.mask_kind == AttentionMask::numbers) {
    score = fmaf(static_cast<const float*>(task.mask)[at], kBaseTwo, score);
  } else if (task.mask_kind == AttentionMask::flags) {
    if (static_cast<const uint8_t*>(task.mask)[at] == 0) score = -INFINITY;
  }
  return score;
}

float code_row(const CodedWeights& task, uint64_t row) noexcept {
  const AttentionWeights& rows = task.rows;
  const KeySpan span = rows.spans[row];
  float* scores = rows.scores + row * rows.stride;
  float most = -INFINITY;
  float top = 0.0f;
  bool any_nan = false;
  for (uint64_t key = 0; key < rows.width; ++key) {
    const bool inside = span.first <= key && key < span.last;
    const float score = inside ? score_of(rows, row, key) : -INFINITY;
    any_nan = any_nan || score != score;
    if (score > most) most = score;
    if (score != -INFINITY && task.value_scales[key] > top) top = task.value_scales[key];
    scores[key] = score;
  }
  const bool none = most == -INFINITY;
  const float unit = top > 0.0f ? kWeightCodes / top : 0.0f;
  float sums[kSumLanes] = {};
  for (uint64_t key = 0; key < rows.width; ++key) {
    const float score = none ? -INFINITY : scores[key] - most;
    const float weight = math::exp2_within<Lanes>(Lanes::max(kLeastPower, score));
    sums[key % kSumLanes] += weight;
    const int16_t code = low_bits(fmaf(weight, task.value_scales[key] * unit, math::kRounder));
    std::memcpy(reinterpret_cast<char*>(scores) + key * sizeof code, &code, sizeof code);
  }
  if (any_nan) return NAN;
  if (none) return 0.0f;
  for (uint64_t half = kSumLanes / 2; half != 0; half /= 2) {
    for (uint64_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  // The sum is NaN where the largest score is infinity.
  return sums[0] != sums[0] ? NAN : top / kWeightCodes / sums[0];
}

}  // namespace

void code_heads_s8(const CodeHeads& task) noexcept {
  const uint64_t padded = (task.n_inputs + kCodedStep - 1) / kCodedStep * kCodedStep;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.stride;
    int8_t* codes = task.codes + row * task.code_stride;
    float top = 0.0f;
    for (uint64_t i = 0; i < task.n_inputs; ++i) {
      const float size = fabsf(x[i]);
      if (!(size <= top)) top = size;
      if (top != top) break;
    }
    const bool finite = top < INFINITY;
    const float factor = finite && top >= kTiny ? 127.0f / top : 0.0f;
    task.scales[row] = !finite ? NAN : (top >= kTiny ? top / 127.0f : 0.0f);
    for (uint64_t i = 0; i < padded; ++i) {
      const bool coded = finite && i < task.n_inputs;
      const int32_t code = coded ? static_cast<int32_t>(rintf(x[i] * factor)) : 0;
      codes[i] = static_cast<int8_t>(code ^ task.flip);
    }
  }
}

void pair_values_s16(const PairValues& task) noexcept {
  int16_t* to = task.panels;
  for (uint64_t first = 0; first < task.n_columns; first += kCodedPanel) {
    for (uint64_t key = 0; key < task.n_keys; key += 2) {
      const int8_t* even = task.codes + key * task.code_stride + first;
      for (uint64_t column = 0; column < kCodedPanel; ++column) {
        *to++ = even[column];
        *to++ = key + 1 < task.n_keys ? even[column + task.code_stride] : 0;
      }
    }
  }
}

void attention_scores_s8(const CodedScores& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const uint8_t* query = task.queries + row * task.query_stride;
    for (uint64_t key = 0; key < task.n_panels * kCodedPanel; ++key) {
      const int8_t* panel = task.keys + key / kCodedPanel * kCodedPanel * task.n_steps * kCodedStep;
      int32_t sum = 0;
      for (uint64_t i = 0; i < task.n_steps * kCodedStep; ++i) {
        const uint64_t step = i / kCodedStep * kCodedPanel;
        const int32_t code = panel[(step + key % kCodedPanel) * kCodedStep + i % kCodedStep];
        sum += (query[i] - 128) * code;
      }
      task.scores[row * task.stride + key] =
          static_cast<float>(sum) * task.query_factors[row] * task.key_scales[key];
    }
  }
}

void attention_codes_f32(const CodedWeights& task) noexcept {
  for (uint64_t row = 0; row < task.rows.n_rows; ++row) task.factors[row] = code_row(task, row);
}

void attention_values_s16(const CodedValues& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const int16_t* weights = task.weights + row * task.weight_stride;
    for (uint64_t column = 0; column < task.n_columns; ++column) {
      const int16_t* values = task.values + column / kCodedPanel * task.panel_stride;
      float whole = 0.0f;
      int32_t sum = 0;
      for (uint64_t key = 0; key < task.n_keys; ++key) {
        if (key != 0 && (task.first_key + key) % kCodedKeys == 0) {
          whole += static_cast<float>(sum);
          sum = 0;
        }
        const uint64_t pair = key / 2 * kCodedPanel + column % kCodedPanel;
        sum += weights[key] * values[pair * 2 + key % 2];
      }
      whole += static_cast<float>(sum);
      const float y = whole * task.factors[row] + 0.0f;
      task.out[row * task.out_stride + column] = y != y ? NAN : y;
    }
  }
}

}  // namespace cordwood::kernels::scalar
