// layer_norm, rms_norm and group_norm over the lanes of a row: a pass for each sum and one for the
// answers, while the row lies in the first cache level.
#pragma once

#include <math.h>

#include "kernels/math/exp.hpp"
#include "kernels/norms/lane_sums.hpp"
#include "kernels/norms/norms.hpp"

namespace cordwood::kernels {
namespace {

/// What turns x into (x - mean) * factor.
struct Spread {
  float mean;
  float factor;
};

template <class L, uint64_t kRows>
[[gnu::always_inline]] inline void spreads_of(const float* const (&x)[kRows], uint64_t n,
                                              float epsilon, Spread (&spreads)[kRows]) noexcept {
  const auto count = static_cast<float>(n);
  float mean[kRows];
  sums_of<L>(x, n, mean);
  for (float& sum : mean) sum /= count;
  float squares[kRows];
  squares_about<L>(x, n, mean, squares);
  for (uint64_t row = 0; row < kRows; ++row) {
    spreads[row] = {mean[row], 1.0f / sqrtf(squares[row] / count + epsilon)};
  }
}

/// The row that is to be normed: x itself, or x + residual, which lies in `sum` or waits in `out`.
template <class L>
[[gnu::always_inline]] inline const float* row_of(const NormTask& task, uint64_t row) noexcept {
  const uint64_t first = row * task.n;
  const float* x = task.x + first;
  if (task.residual == nullptr) return x;
  float* sum = (task.sum != nullptr ? task.sum : task.out) + first;
  for (uint64_t at = 0; at < task.n; at += L::kLanes) {
    const uint64_t count = task.n - at;
    const auto added = L::add(math::load_part<L>(x + at, count, 0.0f),
                              math::load_part<L>(task.residual + first + at, count, 0.0f));
    math::store_part<L>(sum + at, count, math::keep_nan<L>(added, added));
  }
  return sum;
}

template <class L>
[[gnu::always_inline]] inline void layer_norm_answers(const NormTask& task, const float* x,
                                                      Spread spread, float* out) noexcept {
  for (uint64_t at = 0; at < task.n; at += L::kLanes) {
    const uint64_t count = task.n - at;
    const auto off = L::sub(math::load_part<L>(x + at, count, 0.0f), L::all(spread.mean));
    auto y = L::mul(off, L::all(spread.factor));
    if (task.weight != nullptr && task.bias != nullptr) {
      y = L::fma(y, math::load_part<L>(task.weight + at, count, 0.0f),
                 math::load_part<L>(task.bias + at, count, 0.0f));
    } else if (task.weight != nullptr) {
      y = L::mul(y, math::load_part<L>(task.weight + at, count, 0.0f));
    } else if (task.bias != nullptr) {
      y = L::add(y, math::load_part<L>(task.bias + at, count, 0.0f));
    }
    math::store_part<L>(out + at, count, math::keep_nan<L>(y, y));
  }
}

template <class L, uint64_t kRows>
void layer_norm_rows(const NormTask& task, uint64_t first) noexcept {
  const float* x[kRows];
  for (uint64_t row = 0; row < kRows; ++row) x[row] = row_of<L>(task, first + row);
  Spread spreads[kRows];
  spreads_of<L>(x, task.n, task.epsilon, spreads);
  for (uint64_t row = 0; row < kRows; ++row) {
    layer_norm_answers<L>(task, x[row], spreads[row], task.out + (first + row) * task.n);
  }
}

template <class L>
[[gnu::always_inline]] inline void rms_norm_answers(const NormTask& task, const float* x,
                                                    float factor, float* out) noexcept {
  for (uint64_t at = 0; at < task.n; at += L::kLanes) {
    const uint64_t count = task.n - at;
    auto y = L::mul(math::load_part<L>(x + at, count, 0.0f), L::all(factor));
    if (task.weight != nullptr) {
      const auto weight = math::load_part<L>(task.weight + at, count, 0.0f);
      y = L::mul(y, L::add(weight, L::all(task.weight_offset)));
    }
    math::store_part<L>(out + at, count, math::keep_nan<L>(y, y));
  }
}

template <class L, uint64_t kRows>
void rms_norm_rows(const NormTask& task, uint64_t first) noexcept {
  const float* x[kRows];
  for (uint64_t row = 0; row < kRows; ++row) x[row] = row_of<L>(task, first + row);
  float squares[kRows];
  squares_of<L>(x, task.n, squares);
  for (uint64_t row = 0; row < kRows; ++row) {
    const float mean = squares[row] / static_cast<float>(task.n);
    rms_norm_answers<L>(task, x[row], 1.0f / sqrtf(mean + task.epsilon),
                        task.out + (first + row) * task.n);
  }
}

template <class L>
void layer_norm(const NormTask& task) noexcept {
  constexpr uint64_t kRows = kSideBySide<L>;
  uint64_t row = 0;
  for (; row + kRows <= task.n_rows; row += kRows) layer_norm_rows<L, kRows>(task, row);
  for (; row < task.n_rows; ++row) layer_norm_rows<L, 1>(task, row);
}

template <class L>
void rms_norm(const NormTask& task) noexcept {
  constexpr uint64_t kRows = kSideBySide<L>;
  uint64_t row = 0;
  for (; row + kRows <= task.n_rows; row += kRows) rms_norm_rows<L, kRows>(task, row);
  for (; row < task.n_rows; ++row) rms_norm_rows<L, 1>(task, row);
}

/// fma((x - mean) * factor, weight, bias) over the positions of one channel.
template <class L>
[[gnu::always_inline]] inline void norm_channel(const float* x, float* out, uint64_t n,
                                                Spread spread, const float* weight,
                                                const float* bias) noexcept {
  math::each<L>(x, out, n, [=](typename L::Float value) {
    auto y = L::mul(L::sub(value, L::all(spread.mean)), L::all(spread.factor));
    if (weight != nullptr && bias != nullptr) {
      y = L::fma(y, L::all(*weight), L::all(*bias));
    } else if (weight != nullptr) {
      y = L::mul(y, L::all(*weight));
    } else if (bias != nullptr) {
      y = L::add(y, L::all(*bias));
    }
    return math::keep_nan<L>(y, y);
  });
}

template <class L>
void group_norm(const GroupNormTask& task) noexcept {
  const uint64_t group_size = task.channels * task.positions;
  for (uint64_t group = 0; group < task.n_images * task.groups; ++group) {
    const float* x = task.x + group * group_size;
    Spread spread[1];
    spreads_of<L>({x}, group_size, task.epsilon, spread);
    const uint64_t first = group % task.groups * task.channels;
    for (uint64_t c = 0; c < task.channels; ++c) {
      norm_channel<L>(x + c * task.positions, task.out + group * group_size + c * task.positions,
                      task.positions, spread[0],
                      task.weight != nullptr ? task.weight + first + c : nullptr,
                      task.bias != nullptr ? task.bias + first + c : nullptr);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
