// Sums over sixteen lanes, on vectors of 1, 4, 8 or 16: element i goes to lane i mod 16, lanes add in
// ascending order, then lane j adds lane j + 8, j + 4, j + 2 and j + 1.
#pragma once

#include "kernels/math/each.hpp"

namespace cordwood::kernels {
namespace {

constexpr uint64_t kSumLanes = 16;

/// step(sum, at, count) adds elements `at` to `at + count` to the first `count` lanes, and nothing
/// to the others.
template <class L, class Step>
[[gnu::always_inline]] inline float lane_sum(uint64_t n, Step step) noexcept {
  constexpr uint64_t kVectors = kSumLanes / L::kLanes;
  typename L::Float sums[kVectors];
  for (auto& sum : sums) sum = L::all(0.0f);
  uint64_t at = 0;
  for (; at + kSumLanes <= n; at += kSumLanes) {
#pragma GCC unroll 16
    for (uint64_t v = 0; v < kVectors; ++v) {
      sums[v] = step(sums[v], at + v * L::kLanes, L::kLanes);
    }
  }
#pragma GCC unroll 16
  for (uint64_t v = 0; v < kVectors; ++v) {
    const uint64_t from = at + v * L::kLanes;
    if (from >= n) continue;
    sums[v] = step(sums[v], from, n - from < L::kLanes ? n - from : L::kLanes);
  }
  float lanes[kSumLanes];
#pragma GCC unroll 16
  for (uint64_t v = 0; v < kVectors; ++v) L::store(lanes + v * L::kLanes, sums[v]);
  for (uint64_t half = kSumLanes / 2; half != 0; half /= 2) {
    for (uint64_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

/// The sum of a run.
template <class L>
[[gnu::always_inline]] inline float sum_of(const float* x, uint64_t n) noexcept {
  return lane_sum<L>(n, [x](typename L::Float sum, uint64_t at, uint64_t count) {
    return L::add(sum, math::load_part<L>(x + at, count, 0.0f));
  });
}

/// The sum of (x - mean)^2, each step one fused multiply-add.
template <class L>
[[gnu::always_inline]] inline float squares_about(const float* x, uint64_t n, float mean) noexcept {
  return lane_sum<L>(n, [x, mean](typename L::Float sum, uint64_t at, uint64_t count) {
    const auto off = L::sub(math::load_part<L>(x + at, count, mean), L::all(mean));
    return L::fma(off, off, sum);
  });
}

/// The sum of x^2, each step one fused multiply-add.
template <class L>
[[gnu::always_inline]] inline float squares_of(const float* x, uint64_t n) noexcept {
  return lane_sum<L>(n, [x](typename L::Float sum, uint64_t at, uint64_t count) {
    const auto value = math::load_part<L>(x + at, count, 0.0f);
    return L::fma(value, value, sum);
  });
}

}  // namespace
}  // namespace cordwood::kernels
