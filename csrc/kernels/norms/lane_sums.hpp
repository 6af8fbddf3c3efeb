// Sums over sixteen lanes, on vectors of 1, 4, 8 or 16: element i goes to lane i mod 16, lanes add in
// ascending order, then lane j adds lane j + 8, j + 4, j + 2 and j + 1.
#pragma once

#include "kernels/math/each.hpp"

namespace cordwood::kernels {
namespace {

constexpr uint64_t kSumLanes = 16;

/// Rows of equal length that are summed side by side: each addition waits for the one before it in its
/// lane, and other rows fill the wait.
template <class L>
constexpr uint64_t kSideBySide = L::kLanes == 1 ? 1 : 4;

/// step(sum, row, at, count) adds elements `at` to `at + count` of a row to the first `count` lanes,
/// and nothing to the others.
template <class L, uint64_t kRows, class Step>
[[gnu::always_inline]] inline void lane_sums(uint64_t n, float (&totals)[kRows],
                                             Step step) noexcept {
  constexpr uint64_t kVectors = kSumLanes / L::kLanes;
  typename L::Float sums[kRows][kVectors];
  for (auto& row : sums) {
    for (auto& sum : row) sum = L::all(0.0f);
  }
  uint64_t at = 0;
  for (; at + kSumLanes <= n; at += kSumLanes) {
#pragma GCC unroll 4
    for (uint64_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
      for (uint64_t v = 0; v < kVectors; ++v) {
        sums[row][v] = step(sums[row][v], row, at + v * L::kLanes, L::kLanes);
      }
    }
  }
#pragma GCC unroll 4
  for (uint64_t row = 0; row < kRows; ++row) {
    float lanes[kSumLanes];
#pragma GCC unroll 16
    for (uint64_t v = 0; v < kVectors; ++v) {
      const uint64_t from = at + v * L::kLanes;
      if (from < n) {
        sums[row][v] = step(sums[row][v], row, from, n - from < L::kLanes ? n - from : L::kLanes);
      }
      L::store(lanes + v * L::kLanes, sums[row][v]);
    }
    for (uint64_t half = kSumLanes / 2; half != 0; half /= 2) {
      for (uint64_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    totals[row] = lanes[0];
  }
}

/// The sum of one row: step(sum, at, count).
template <class L, class Step>
[[gnu::always_inline]] inline float lane_sum(uint64_t n, Step step) noexcept {
  float total[1];
  lane_sums<L>(n, total, [step](typename L::Float sum, uint64_t, uint64_t at, uint64_t count) {
    return step(sum, at, count);
  });
  return total[0];
}

/// The sum of a run of each row.
template <class L, uint64_t kRows>
[[gnu::always_inline]] inline void sums_of(const float* const (&x)[kRows], uint64_t n,
                                           float (&totals)[kRows]) noexcept {
  lane_sums<L>(n, totals, [&x](typename L::Float sum, uint64_t row, uint64_t at, uint64_t count) {
    return L::add(sum, math::load_part<L>(x[row] + at, count, 0.0f));
  });
}

/// The sums of (x - mean)^2, each step one fused multiply-add.
template <class L, uint64_t kRows>
[[gnu::always_inline]] inline void squares_about(const float* const (&x)[kRows], uint64_t n,
                                                 const float (&mean)[kRows],
                                                 float (&totals)[kRows]) noexcept {
  lane_sums<L>(n, totals,
               [&x, &mean](typename L::Float sum, uint64_t row, uint64_t at, uint64_t count) {
                 const auto value = math::load_part<L>(x[row] + at, count, mean[row]);
                 const auto off = L::sub(value, L::all(mean[row]));
                 return L::fma(off, off, sum);
               });
}

/// The sums of x^2, each step one fused multiply-add.
template <class L, uint64_t kRows>
[[gnu::always_inline]] inline void squares_of(const float* const (&x)[kRows], uint64_t n,
                                              float (&totals)[kRows]) noexcept {
  lane_sums<L>(n, totals, [&x](typename L::Float sum, uint64_t row, uint64_t at, uint64_t count) {
    const auto value = math::load_part<L>(x[row] + at, count, 0.0f);
    return L::fma(value, value, sum);
  });
}

}  // namespace
}  // namespace cordwood::kernels
