// Scores of attention on vectors of keys: scale, cap, mask and span of a row, and its maximum.
//
// NaN scores pass by the maximum and show in the sum that rows.hpp makes.
#pragma once

#include <math.h>
#include <cstring>

#include "kernels/attention/attention.hpp"
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
[[maybe_unused]] bool is_plain(const AttentionWeights& task) noexcept {
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

}  // namespace
}  // namespace cordwood::kernels
