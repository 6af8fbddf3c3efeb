// Weights of attention on vectors of keys.
//
// A row is read twice: scores with their scale and mask, and their maximum; then the exponentials and
// their lane sums. Both passes find the row in the first cache levels; the second costs some twenty
// instructions a vector, nearly all of them on the ports that multiply. Sixteen sums are one, two or
// four vectors. Isa is the lanes of kernels/math, with `from_bytes` for masks of flags.
//
// NaN scores pass by the maximum and show in the sum. Where no score is above -infinity there is
// nothing to subtract, and the row is looked through for them.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <math.h>
#include <cstring>

#include "kernels/attention/scores.hpp"
#include "kernels/math/exp.hpp"

namespace cordwood::kernels {
namespace {

/// Columns from `first` to `last`, wholes of kSumLanes, take no part.
template <class Isa>
void leave_out(float* weights, uint64_t first, uint64_t last) noexcept {
  for (uint64_t key = first; key < last; key += Isa::kLanes) {
    Isa::store(weights + key, Isa::all(-0.0f));
  }
}

/// A row without a score above -infinity.
template <class Isa>
float weigh_nothing(const AttentionWeights& task, float* scores, const KeySpan& span) noexcept {
  bool any_nan = false;
  for (uint64_t key = span.first; key < span.last; ++key) {
    any_nan = any_nan || scores[key] != scores[key];
  }
  leave_out<Isa>(scores, 0, task.width);
  return any_nan ? NAN : 1.0f;
}

/// Scores of a row, or products where the task is plain, to weights, in place, and their lane sum;
/// `top` is the largest of them.
template <class Isa, bool kPlain, bool kMarks>
float weigh_row(const AttentionWeights& task, uint64_t row, float top) noexcept {
  using Float = typename Isa::Float;
  constexpr uint64_t kVectors = kSumLanes / Isa::kLanes;
  const KeySpan whole = whole_lanes(task.spans[row]);
  const Float scale = Isa::all(task.scale);
  float* scores = task.scores + row * task.stride;
  if constexpr (kPlain) top *= task.scale;  // which may overflow
  if (top == -INFINITY) return weigh_nothing<Isa>(task, scores, task.spans[row]);
  const Float most = Isa::all(top);
  Float sums[kVectors];
  for (Float& sum : sums) sum = Isa::all(0.0f);
  for (uint64_t key = whole.first; key < whole.last; key += kSumLanes) {
#pragma GCC unroll 4
    for (uint64_t v = 0; v < kVectors; ++v) {
      float* at = scores + key + v * Isa::kLanes;
      Float score = Isa::load(at);
      if constexpr (kPlain) score = Isa::mul(score, scale);
      const Float below = Isa::max(Isa::all(-104.0f), Isa::sub(score, most));
      Float weight = math::exp_within<Isa>(below);
      if constexpr (kMarks) {
        const auto left_out = Isa::equal(score, Isa::all(-INFINITY));
        weight = Isa::where(left_out, Isa::all(-0.0f), weight);
      }
      sums[v] = Isa::add(sums[v], weight);
      Isa::store(at, weight);
    }
  }
  leave_out<Isa>(scores, 0, whole.first);
  leave_out<Isa>(scores, whole.last, task.width);
  alignas(64) float lanes[kSumLanes];
#pragma GCC unroll 4
  for (uint64_t v = 0; v < kVectors; ++v) Isa::store(lanes + v * Isa::kLanes, sums[v]);
  return sum_of_lanes(lanes);
}

/// All maxima come first: an exponential that waits for its row's own would wait long.
template <class Isa, bool kPlain, bool kMarks>
void weigh_all(const AttentionWeights& task) noexcept {
  float* tops = task.divisors;
  for (uint64_t row = 0; row < task.n_rows; ++row) tops[row] = score_row<Isa, kPlain>(task, row);
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    task.divisors[row] = weigh_row<Isa, kPlain, kMarks>(task, row, tops[row]);
  }
}

template <class Isa>
void weigh_rows(const AttentionWeights& task) noexcept {
  if (task.marks != 0) return weigh_all<Isa, false, true>(task);
  is_plain(task) ? weigh_all<Isa, true, false>(task) : weigh_all<Isa, false, false>(task);
}

/// out += weight * values, a row of columns.
template <class Isa>
void add_values(float* out, float weight, const float* values, uint64_t n_columns) noexcept {
  const typename Isa::Float all = Isa::all(weight);
  uint64_t column = 0;
  for (; column + Isa::kLanes <= n_columns; column += Isa::kLanes) {
    Isa::store(out + column, Isa::fma(all, Isa::load(values + column), Isa::load(out + column)));
  }
  const uint64_t left = n_columns - column;
  if (left == 0) return;
  Isa::store_some(
      out + column, left,
      Isa::fma(all, Isa::load_some(values + column, left), Isa::load_some(out + column, left)));
}

template <class Isa>
void multiply_values(const AttentionValues& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    float* out = task.out + row * task.out_stride;
    std::memset(out, 0, task.n_columns * sizeof(float));
    for (uint64_t key = 0; key < task.n_keys; ++key) {
      const float weight = task.weights[row * task.weight_stride + key];
      if (__builtin_signbitf(weight) != 0) continue;
      add_values<Isa>(out, weight, task.values + key * task.value_stride, task.n_columns);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
