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

#include "kernels/attention/attention.hpp"
#include "kernels/math/exp.hpp"
#include "kernels/math/tanh.hpp"

namespace cordwood::kernels {
namespace {

using Quad [[gnu::vector_size(16)]] = float;

/// -1 in the first `kSumLanes` places, and -1 in the last: windows on them tell what lies outside.
alignas(64) constexpr float kBefore[2 * kSumLanes] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                      -1, -1, -1, -1, -1, -1, -1, -1};
alignas(64) constexpr float kBehind[2 * kSumLanes] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                      0,  0,  0,  0,  0,  -1, -1, -1, -1, -1, -1,
                                                      -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

[[gnu::always_inline]] inline Quad load_quad(const float* from) noexcept {
  Quad quad;
  std::memcpy(&quad, from, sizeof quad);
  return quad;
}

/// Lane j adds lane j + 8, then j + 4, j + 2, j + 1.
[[gnu::always_inline]] inline float sum_of_lanes(const float* lanes) noexcept {
  const Quad low = load_quad(lanes) + load_quad(lanes + 8);
  const Quad high = load_quad(lanes + 4) + load_quad(lanes + 12);
  const Quad four = low + high;
  return (four[0] + four[2]) + (four[1] + four[3]);
}

template <class Isa>
[[gnu::always_inline]] inline float most_of_lanes(typename Isa::Float most) noexcept {
  alignas(64) float lanes[Isa::kLanes];
  Isa::store(lanes, most);
  Quad four = load_quad(lanes);
#pragma GCC unroll 4
  for (uint64_t lane = 4; lane < Isa::kLanes; lane += 4) {
    const Quad next = load_quad(lanes + lane);
    four = next > four ? next : four;
  }
  const float even = four[0] > four[2] ? four[0] : four[2];
  const float odd = four[1] > four[3] ? four[1] : four[3];
  return even > odd ? even : odd;
}

template <class Isa>
typename Isa::Float flags_at(const uint8_t* mask, uint64_t count) noexcept {
  if (count >= Isa::kLanes) return Isa::from_bytes(mask);
  uint8_t some[Isa::kLanes] = {};
  std::memcpy(some, mask, count);
  return Isa::from_bytes(some);
}

/// Whether scores are products times a positive scale. Rounding keeps order, so that their maximum is
/// the largest product times the scale, and products wait for it as they are.
bool is_plain(const AttentionWeights& task) noexcept {
  return task.soft_cap == 0.0f && task.mask_kind == AttentionMask::none && task.scale > 0.0f;
}

/// Scores of a vector of keys, whatever their span; products where the task is plain.
template <class Isa, bool kPlain>
[[gnu::always_inline]] inline typename Isa::Float scores_at(const AttentionWeights& task,
                                                            const float* products, uint64_t row,
                                                            uint64_t key) noexcept {
  using Float = typename Isa::Float;
  const Float product = Isa::load(products + key);
  if constexpr (kPlain) return product;
  Float score = Isa::mul(product, Isa::all(task.scale));
  if (task.soft_cap != 0.0f) {
    const Float cap = Isa::all(task.soft_cap);
    score = Isa::mul(cap, math::tanh<Isa>(Isa::div(score, cap)));
  }
  if (task.mask_kind == AttentionMask::none || key >= task.mask_width) return score;
  const uint64_t at = row * task.mask_stride + key;
  const uint64_t left = task.mask_width - key;
  if (task.mask_kind == AttentionMask::numbers) {
    const float* mask = static_cast<const float*>(task.mask) + at;
    return Isa::add(score, left < Isa::kLanes ? Isa::load_some(mask, left) : Isa::load(mask));
  }
  const Float flags = flags_at<Isa>(static_cast<const uint8_t*>(task.mask) + at, left);
  return Isa::where(Isa::equal(flags, Isa::all(0.0f)), Isa::all(-INFINITY), score);
}

/// -infinity in place of what lies outside the span.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float cut_to(const KeySpan& span, uint64_t key,
                                                         typename Isa::Float score) noexcept {
  using Float = typename Isa::Float;
  const Float none = Isa::all(-INFINITY);
  if (key < span.first) {
    const uint64_t before = span.first - key < kSumLanes ? span.first - key : kSumLanes;
    const Float outside = Isa::load(kBefore + kSumLanes - before);
    score = Isa::where(Isa::less(outside, Isa::all(0.0f)), none, score);
  }
  if (key + Isa::kLanes > span.last) {
    const uint64_t inside = span.last > key ? span.last - key : 0;
    const Float outside = Isa::load(kBehind + kSumLanes - inside);
    score = Isa::where(Isa::less(outside, Isa::all(0.0f)), none, score);
  }
  return score;
}

/// Columns from `first` to `last`, wholes of kSumLanes, take no part.
template <class Isa>
void leave_out(float* weights, uint64_t first, uint64_t last) noexcept {
  for (uint64_t key = first; key < last; key += Isa::kLanes) {
    Isa::store(weights + key, Isa::all(-0.0f));
  }
}

/// The columns of a row in wholes of kSumLanes.
[[gnu::always_inline]] inline KeySpan whole_lanes(const KeySpan& span) noexcept {
  return {span.first / kSumLanes * kSumLanes, (span.last + kSumLanes - 1) / kSumLanes * kSumLanes};
}

/// Scores of a row in place, and their maximum.
template <class Isa, bool kPlain>
float score_row(const AttentionWeights& task, uint64_t row) noexcept {
  using Float = typename Isa::Float;
  const KeySpan span = task.spans[row];
  const KeySpan whole = whole_lanes(span);
  float* scores = task.scores + row * task.stride;
  const uint64_t inner = span.first == whole.first ? whole.first : whole.first + kSumLanes;
  const uint64_t outer = span.last / kSumLanes * kSumLanes;
  Float most = Isa::all(-INFINITY);
  const auto take_edge = [&](uint64_t key) {
    const Float score = cut_to<Isa>(span, key, scores_at<Isa, kPlain>(task, scores, row, key));
    most = Isa::max(score, most);
    Isa::store(scores + key, score);
  };
  uint64_t key = whole.first;
  for (; key < inner && key < whole.last; key += Isa::kLanes) take_edge(key);
  for (; key < outer; key += Isa::kLanes) {
    const Float score = scores_at<Isa, kPlain>(task, scores, row, key);
    most = Isa::max(score, most);
    if constexpr (!kPlain) Isa::store(scores + key, score);
  }
  for (; key < whole.last; key += Isa::kLanes) take_edge(key);
  return most_of_lanes<Isa>(most);
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
