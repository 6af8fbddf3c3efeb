// softmax and log_softmax over the lanes of a row. Where the axis is the last one its elements lie
// side by side in a vector; elsewhere a vector holds neighbouring columns, and each has its sixteen sums.
#pragma once

#include "kernels/math/log.hpp"
#include "kernels/norms/lane_sums.hpp"
#include "kernels/norms/norms.hpp"

namespace cordwood::kernels {
namespace {

/// The largest element. With a NaN among them any will do: the sum, and all answers, are NaN.
template <class L>
[[gnu::always_inline]] inline float largest_of(const float* x, uint64_t n) noexcept {
  constexpr float kLowest = -__builtin_inff();
  auto largest = L::all(kLowest);
  for (uint64_t at = 0; at < n; at += L::kLanes) {
    largest = L::max(largest, math::load_part<L>(x + at, n - at, kLowest));
  }
  float lanes[L::kLanes];
  L::store(lanes, largest);
  float most = lanes[0];
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

/// exp of a number that is not above 0; NaN of any payload for NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float exp_below(typename L::Float x) noexcept {
  return math::exp_within<L>(L::max(L::all(-104.0f), x));
}

template <class L>
[[gnu::always_inline]] inline void softmax_row(const float* x, float* out, uint64_t n) noexcept {
  const float most = largest_of<L>(x, n);
  const float sum = lane_sum<L>(n, [=](typename L::Float lanes, uint64_t at, uint64_t count) {
    const auto off = L::sub(math::load_part<L>(x + at, count, -__builtin_inff()), L::all(most));
    const auto power = exp_below<L>(off);
    math::store_part<L>(out + at, count, power);
    return L::add(lanes, power);
  });
  math::each<L>(out, out, n, [=](typename L::Float power) {
    const auto y = L::div(power, L::all(sum));
    return math::keep_nan<L>(y, y);
  });
}

template <class L>
[[gnu::always_inline]] inline void log_softmax_row(const float* x, float* out,
                                                   uint64_t n) noexcept {
  const float most = largest_of<L>(x, n);
  const float sum = lane_sum<L>(n, [=](typename L::Float lanes, uint64_t at, uint64_t count) {
    const auto off = L::sub(math::load_part<L>(x + at, count, -__builtin_inff()), L::all(most));
    return L::add(lanes, exp_below<L>(off));
  });
  const auto log_sum = math::log<L>(L::all(sum));
  math::each<L>(x, out, n, [=](typename L::Float value) {
    const auto y = L::sub(L::sub(value, L::all(most)), log_sum);
    return math::keep_nan<L>(y, y);
  });
}

/// The first `count` columns of an axis whose elements lie `stride` floats apart.
template <class L, bool kLog>
void softmax_columns(const float* x, float* out, uint64_t n, uint64_t stride,
                     uint64_t count) noexcept {
  using Float = typename L::Float;
  auto most = L::all(-__builtin_inff());
  for (uint64_t i = 0; i < n; ++i) {
    most = L::max(most, math::load_part<L>(x + i * stride, count, 0.0f));
  }
  Float sums[kSumLanes];
  for (Float& sum : sums) sum = L::all(0.0f);
  for (uint64_t i = 0; i < n; ++i) {
    const auto off = L::sub(math::load_part<L>(x + i * stride, count, 0.0f), most);
    const Float power = exp_below<L>(off);
    if constexpr (!kLog) math::store_part<L>(out + i * stride, count, power);
    sums[i % kSumLanes] = L::add(sums[i % kSumLanes], power);
  }
  for (uint64_t half = kSumLanes / 2; half != 0; half /= 2) {
    for (uint64_t j = 0; j < half; ++j) sums[j] = L::add(sums[j], sums[j + half]);
  }
  const Float log_sum = kLog ? math::log<L>(sums[0]) : sums[0];
  for (uint64_t i = 0; i < n; ++i) {
    const Float value = math::load_part<L>((kLog ? x : out) + i * stride, count, 0.0f);
    const Float y = kLog ? L::sub(L::sub(value, most), log_sum) : L::div(value, log_sum);
    math::store_part<L>(out + i * stride, count, math::keep_nan<L>(y, y));
  }
}

template <class L, bool kLog>
void softmax(const SoftmaxTask& task) noexcept {
  for (uint64_t outer = 0; outer < task.outer; ++outer) {
    const uint64_t first = outer * task.n * task.inner;
    if (task.inner == 1) {
      if constexpr (kLog) {
        log_softmax_row<L>(task.x + first, task.out + first, task.n);
      } else {
        softmax_row<L>(task.x + first, task.out + first, task.n);
      }
      continue;
    }
    for (uint64_t column = 0; column < task.inner; column += L::kLanes) {
      softmax_columns<L, kLog>(task.x + first + column, task.out + first + column, task.n,
                               task.inner, task.inner - column);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
