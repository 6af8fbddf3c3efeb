// Scores to codes of weights, on vectors of keys: scalar_coded.cpp is what it does.
//
// A row is read twice: scores with their mask, their maximum and the largest scale of a value that takes
// part; then powers of 2, their lane sums, and codes of 15 bits, which take the first half of the row's
// own memory. A code is the low half of a float to which 1.5 * 2^23 was added by the multiply-add that
// makes it: NaN has a code like any other, and shows in the sum. Isa is the lanes
// of kernels/math, with `unset` for masks of flags and `store_codes`.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <math.h>

#include "kernels/attention/coded.hpp"
#include "kernels/attention/scores.hpp"
#include "kernels/math/exp2.hpp"

namespace cordwood::kernels {
namespace {

/// The largest score of a row and the largest scale of its values.
struct RowTops {
  float score;
  float scale;
};

/// Which keys of a vector a mask of flags leaves out, of `left` entries that are there.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Mask unset_at(const uint8_t* mask,
                                                          uint64_t left) noexcept {
  if (left >= Isa::kLanes) return Isa::unset(mask);
  uint8_t some[Isa::kLanes] = {};
  std::memcpy(some, mask, left);
  return Isa::unset(some);
}

/// What a row's scores are made of beside themselves.
struct ScoreParts {
  float soft_cap;
  const void* mask;     ///< of the row
  uint64_t mask_width;  ///< entries of it
};

/// Scores of a vector of keys, whatever their span; of the mask `left` entries are there.
template <class Isa, AttentionMask kMask, bool kCap>
[[gnu::always_inline]] inline typename Isa::Float coded_scores_at(const ScoreParts& parts,
                                                                  const float* scores, uint64_t key,
                                                                  uint64_t left) noexcept {
  using Float = typename Isa::Float;
  Float score = Isa::load(scores + key);
  if constexpr (kCap) {
    const Float cap = Isa::all(parts.soft_cap);
    score = Isa::mul(cap, math::tanh<Isa>(Isa::div(score, cap)));
  }
  if constexpr (kMask == AttentionMask::numbers) {
    const float* mask = static_cast<const float*>(parts.mask) + key;
    const Float added = left < Isa::kLanes ? Isa::load_some(mask, left) : Isa::load(mask);
    return Isa::fma(added, Isa::all(kBaseTwo), score);
  }
  if constexpr (kMask == AttentionMask::flags) {
    const auto* mask = static_cast<const uint8_t*>(parts.mask) + key;
    return Isa::where(unset_at<Isa>(mask, left), Isa::all(-INFINITY), score);
  }
  return score;
}

/// Scores of a row in place, and its largest numbers.
template <class Isa, AttentionMask kMask, bool kCap>
[[gnu::always_inline]] inline RowTops finish_scores(const CodedWeights& coded,
                                                    uint64_t row) noexcept {
  using Float = typename Isa::Float;
  constexpr uint64_t kEntry = kMask == AttentionMask::numbers ? sizeof(float) : 1;
  const AttentionWeights& task = coded.rows;
  const ScoreParts parts{task.soft_cap,
                         static_cast<const char*>(task.mask) + row * task.mask_stride * kEntry,
                         task.mask_width};
  const KeySpan span = task.spans[row];
  const KeySpan whole = whole_lanes(span);
  float* scores = task.scores + row * task.stride;
  const float* scales = coded.value_scales;
  Float most = Isa::all(-INFINITY);
  Float top = Isa::all(0.0f);
  const auto take = [&](uint64_t key, Float score) __attribute__((always_inline)) {
    most = Isa::max(score, most);
    const Float larger = Isa::max(Isa::load(scales + key), top);
    top = Isa::where(Isa::equal(score, Isa::all(-INFINITY)), top, larger);
  };
  uint64_t key = whole.first;
  const auto take_edge = [&]() __attribute__((always_inline)) {
    const uint64_t left = key < parts.mask_width ? parts.mask_width - key : 0;
    const Float score =
        cut_to<Isa>(span, key, coded_scores_at<Isa, kMask, kCap>(parts, scores, key, left));
    Isa::store(scores + key, score);
    take(key, score);
  };
  const uint64_t inner = span.first == whole.first ? whole.first : whole.first + kSumLanes;
  for (; key < inner && key < whole.last; key += Isa::kLanes) take_edge();
  for (; key + Isa::kLanes <= span.last; key += Isa::kLanes) {
    const Float score =
        coded_scores_at<Isa, kMask, kCap>(parts, scores, key, uint64_t{Isa::kLanes});
    if constexpr (kMask != AttentionMask::none || kCap) Isa::store(scores + key, score);
    take(key, score);
  }
  for (; key < whole.last; key += Isa::kLanes) take_edge();
  return {most_of_lanes<Isa>(most), most_of_lanes<Isa>(top)};
}

/// Columns from `first` to `last`, wholes of kSumLanes, take no part.
template <class Isa>
[[gnu::always_inline]] inline void leave_out_codes(int16_t* codes, uint64_t first,
                                                   uint64_t last) noexcept {
  for (uint64_t key = first; key < last; key += Isa::kLanes) {
    Isa::store_codes(codes + key, Isa::all(0.0f));
  }
}

/// A row without a score above -infinity: codes of 0.
template <class Isa>
float code_nothing(const CodedWeights& coded, uint64_t row) noexcept {
  const KeySpan span = coded.rows.spans[row];
  float* scores = coded.rows.scores + row * coded.rows.stride;
  bool any_nan = false;
  for (uint64_t key = span.first; key < span.last; ++key) {
    any_nan = any_nan || scores[key] != scores[key];
  }
  leave_out_codes<Isa>(reinterpret_cast<int16_t*>(scores), 0, coded.rows.width);
  return any_nan ? NAN : 0.0f;
}

/// A step of Horner's rule for each vector. As a loop over steps GCC 12 would keep vectors in memory.
template <class Isa, uint64_t N>
[[gnu::always_inline]] inline void add_term(typename Isa::Float (&p)[N],
                                            const typename Isa::Float (&x)[N],
                                            float term) noexcept {
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) p[v] = Isa::fma(p[v], x[v], Isa::all(term));
}

/// Weights of N vectors of keys from `at` on. They go through each step side by side: one after the other
/// they fill the processor's scheduler with steps that wait.
template <class Isa, uint64_t N>
[[gnu::always_inline]] inline void code_vectors(const float* scores, const float* scales,
                                                int16_t* codes, typename Isa::Float most,
                                                typename Isa::Float unit,
                                                typename Isa::Float* sums) noexcept {
  using Float = typename Isa::Float;
  constexpr uint64_t kVectors = kSumLanes / Isa::kLanes;
  static_assert(sizeof math::kExp2 == 5 * sizeof(float));
  const Float rounder = Isa::all(math::kRounder);
  Float x[N], n[N], p[N];
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) x[v] = Isa::sub(Isa::load(scores + v * Isa::kLanes), most);
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) x[v] = Isa::max(Isa::all(kLeastPower), x[v]);
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) n[v] = Isa::sub(Isa::add(x[v], rounder), rounder);
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) {
    x[v] = Isa::sub(x[v], n[v]);
    p[v] = Isa::all(math::kExp2[4]);
  }
  add_term<Isa>(p, x, math::kExp2[3]);
  add_term<Isa>(p, x, math::kExp2[2]);
  add_term<Isa>(p, x, math::kExp2[1]);
  add_term<Isa>(p, x, math::kExp2[0]);
  add_term<Isa>(p, x, 1.0f);
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) p[v] = Isa::scale(p[v], n[v]);
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) {
    sums[v % kVectors] = Isa::add(sums[v % kVectors], p[v]);
    const Float scale = Isa::mul(Isa::load(scales + v * Isa::kLanes), unit);
    p[v] = Isa::fma(p[v], scale, rounder);
  }
#pragma GCC unroll 4
  for (uint64_t v = 0; v < N; ++v) Isa::store_codes(codes + v * Isa::kLanes, p[v]);
}

template <class Isa>
[[gnu::always_inline]] inline float code_row(const CodedWeights& coded, uint64_t row,
                                             const RowTops& tops) noexcept {
  using Float = typename Isa::Float;
  constexpr uint64_t kVectors = kSumLanes / Isa::kLanes;
  constexpr uint64_t kWide = kVectors == 1 ? 4 : kVectors;
  const AttentionWeights& task = coded.rows;
  if (tops.score == -INFINITY) return code_nothing<Isa>(coded, row);
  const KeySpan whole = whole_lanes(task.spans[row]);
  const float* scores = task.scores + row * task.stride;
  const float* scales = coded.value_scales;
  int16_t* codes = reinterpret_cast<int16_t*>(task.scores + row * task.stride);
  const Float most = Isa::all(tops.score);
  const Float unit = Isa::all(tops.scale > 0.0f ? kWeightCodes / tops.scale : 0.0f);
  Float sums[kVectors];
#pragma GCC unroll 4
  for (Float& sum : sums) sum = Isa::all(0.0f);
  uint64_t key = whole.first;
  for (; key + kWide * Isa::kLanes <= whole.last; key += kWide * Isa::kLanes) {
    code_vectors<Isa, kWide>(scores + key, scales + key, codes + key, most, unit, sums);
  }
  for (; key < whole.last; key += kSumLanes) {
    code_vectors<Isa, kVectors>(scores + key, scales + key, codes + key, most, unit, sums);
  }
  leave_out_codes<Isa>(codes, 0, whole.first);
  leave_out_codes<Isa>(codes, whole.last, task.width);
  alignas(64) float lanes[kSumLanes];
#pragma GCC unroll 4
  for (uint64_t v = 0; v < kVectors; ++v) Isa::store(lanes + v * Isa::kLanes, sums[v]);
  const float sum = sum_of_lanes(lanes);
  return sum != sum ? NAN : tops.scale / kWeightCodes / sum;
}

/// All maxima of a few rows come first: a power that waits for its row's own would wait long.
template <class Isa, AttentionMask kMask, bool kCap>
void code_all(const CodedWeights& coded) noexcept {
  constexpr uint64_t kRows = 8;
  RowTops tops[kRows];
  for (uint64_t first = 0; first < coded.rows.n_rows; first += kRows) {
    const uint64_t left = coded.rows.n_rows - first;
    const uint64_t count = left < kRows ? left : kRows;
    for (uint64_t i = 0; i < count; ++i)
      tops[i] = finish_scores<Isa, kMask, kCap>(coded, first + i);
    for (uint64_t i = 0; i < count; ++i) {
      coded.factors[first + i] = code_row<Isa>(coded, first + i, tops[i]);
    }
  }
}

template <class Isa, AttentionMask kMask>
void code_masked(const CodedWeights& coded) noexcept {
  coded.rows.soft_cap == 0.0f ? code_all<Isa, kMask, false>(coded)
                              : code_all<Isa, kMask, true>(coded);
}

template <class Isa>
void code_rows(const CodedWeights& coded) noexcept {
  switch (coded.rows.mask_kind) {
    case AttentionMask::none:
      return code_masked<Isa, AttentionMask::none>(coded);
    case AttentionMask::flags:
      return code_masked<Isa, AttentionMask::flags>(coded);
    case AttentionMask::numbers:
      return code_masked<Isa, AttentionMask::numbers>(coded);
  }
}

}  // namespace
}  // namespace cordwood::kernels
