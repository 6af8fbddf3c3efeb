// What follows the sums of avx512icl.cpp: scales, earlier groups, bias, residual, cut.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

/// Sums carry their lanes' type: held as __m512i, GCC 12 keeps each of them twice in a loop.
using i32x16 = int32_t __attribute__((vector_size(64)));

struct Pair {
  i32x16 low;   // outputs 0 to 15
  i32x16 high;  // outputs 16 to 31
};

struct FloatPair {
  __m512 low;
  __m512 high;
};

/// Scaled integers added to floats; the first group's begin them.
FloatPair add_scaled(FloatPair sum, Pair whole, FloatPair scale, bool first) noexcept {
  const FloatPair numbers{_mm512_cvtepi32_ps(reinterpret_cast<__m512i>(whole.low)),
                          _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(whole.high))};
  if (first)
    return {_mm512_mul_ps(numbers.low, scale.low), _mm512_mul_ps(numbers.high, scale.high)};
  return {_mm512_fmadd_ps(numbers.low, scale.low, sum.low),
          _mm512_fmadd_ps(numbers.high, scale.high, sum.high)};
}

/// A panel's place in the answer.
struct Columns {
  uint64_t first;
  __mmask16 low;
  __mmask16 high;

  [[nodiscard]] bool full() const noexcept { return (low & high) == 0xFFFF; }
};

/// Cut to `low` and `high`, either sign of a zero to a bound of zero. Maxima drop NaN: one more
/// instruction puts it back.
[[gnu::always_inline]] inline __m512 cut(__m512 y, __m512 low, __m512 high) noexcept {
  const __m512i nan_of_second = _mm512_set1_epi32(0x22);
  const __m512 within = _mm512_min_ps(_mm512_max_ps(y, low), high);
  return _mm512_fixupimm_ps(within, y, nan_of_second, 0);
}

[[gnu::always_inline]] inline __m512 finish_half(const Qmatmul& task, __m512 y, uint32_t row,
                                                 uint64_t at, __mmask16 lanes) noexcept {
  const QmatmulEnd& end = task.end;
  if (task.rows.group_scales == 0) {
    const __m512 scale = _mm512_set1_ps(task.rows.scales[row]);
    y = end.bias != nullptr ? _mm512_fmadd_ps(y, scale, _mm512_maskz_loadu_ps(lanes, end.bias + at))
                            : _mm512_mul_ps(y, scale);
  } else if (end.bias != nullptr) {
    y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, end.bias + at));
  }
  if (end.residual != nullptr) {
    y = _mm512_add_ps(y,
                      _mm512_maskz_loadu_ps(lanes, end.residual + row * end.residual_stride + at));
  }
  if (end.cut != 0) {
    y = cut(y, _mm512_set1_ps(end.low), _mm512_set1_ps(end.high));
  }
  return y;
}

/// Scales, bias, residual, cut, for the columns of a panel that there are.
[[gnu::always_inline]] inline void finish(const Qmatmul& task, FloatPair sum, uint32_t row,
                                          const Columns& columns) noexcept {
  float* out = task.end.out + row * task.end.out_stride + columns.first;
  _mm512_mask_storeu_ps(out, columns.low,
                        finish_half(task, sum.low, row, columns.first, columns.low));
  if (columns.high == 0) return;
  _mm512_mask_storeu_ps(out + 16, columns.high,
                        finish_half(task, sum.high, row, columns.first + 16, columns.high));
}

/// Sums of a panel's earlier groups, [row][output].
class Sums {
 public:
  Sums(float* scratch, bool first, bool last) noexcept
      : scratch_(scratch), first_(first), last_(last) {}
  [[nodiscard]] FloatPair get(uint32_t row) const noexcept {
    const float* sums = scratch_ + uint64_t{row} * kPanelOutputs;
    return first_ ? FloatPair{} : FloatPair{_mm512_load_ps(sums), _mm512_load_ps(sums + 16)};
  }
  [[gnu::always_inline]] inline void put(const Qmatmul& task, FloatPair sum, uint32_t row,
                                         const Columns& columns) const noexcept {
    if (last_) return finish(task, sum, row, columns);
    float* sums = scratch_ + uint64_t{row} * kPanelOutputs;
    _mm512_store_ps(sums, sum.low);
    _mm512_store_ps(sums + 16, sum.high);
  }
  [[nodiscard]] bool first() const noexcept { return first_; }
  [[nodiscard]] bool all() const noexcept { return first_ && last_; }

 private:
  float* scratch_;
  bool first_;
  bool last_;
};

/// What follows the sums of whole rows, as `finish` does it: everything that rows share stands in registers,
/// since a compiler has to fear that answers overwrite the task.
template <uint32_t R, bool kBias>
[[gnu::always_inline]] inline void finish_rows(const Qmatmul& task, const float* scales,
                                               const Pair (&whole)[R], uint64_t column,
                                               uint32_t row) noexcept {
  const QmatmulEnd end = task.end;
  const float* row_scale = task.rows.scales + row;
  float* out = end.out + row * end.out_stride + column;
  const float* residual =
      end.residual == nullptr ? nullptr : end.residual + row * end.residual_stride + column;
  const FloatPair scale{_mm512_loadu_ps(scales), _mm512_loadu_ps(scales + 16)};
  FloatPair bias{};
  if (kBias) bias = {_mm512_loadu_ps(end.bias + column), _mm512_loadu_ps(end.bias + column + 16)};
  const __m512 least = _mm512_set1_ps(end.low);
  const __m512 most = _mm512_set1_ps(end.high);
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    FloatPair y = add_scaled(FloatPair{}, whole[r], scale, true);
    const __m512 own = _mm512_set1_ps(row_scale[r]);
    if (kBias) {
      y = {_mm512_fmadd_ps(y.low, own, bias.low), _mm512_fmadd_ps(y.high, own, bias.high)};
    } else {
      y = {_mm512_mul_ps(y.low, own), _mm512_mul_ps(y.high, own)};
    }
    if (residual != nullptr) {
      y = {_mm512_add_ps(y.low, _mm512_loadu_ps(residual)),
           _mm512_add_ps(y.high, _mm512_loadu_ps(residual + 16))};
      residual += end.residual_stride;
    }
    if (end.cut != 0) {
      y = {cut(y.low, least, most), cut(y.high, least, most)};
    }
    _mm512_storeu_ps(out, y.low);
    _mm512_storeu_ps(out + 16, y.high);
    out += end.out_stride;
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx512icl
