// What the kinds of sparse_matmul share on avx512icl: sums, and what becomes of them. Functions are
// static, so that no other row can come by this copy.
#pragma once

#include <immintrin.h>

#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::kernels::avx512icl {

void sparse_pairs_s8(const SparseMatmul& task) noexcept;
void sparse_blocks_s8(const SparseMatmul& task) noexcept;
void sparse_slots_s8(const SparseMatmul& task) noexcept;

/// Sums carry their lanes' type: held as __m512i, GCC 12 keeps each of them twice in a loop.
using i32x16 = int32_t __attribute__((vector_size(64)));

[[gnu::always_inline]] static inline i32x16 add_products(i32x16 sum, __m512i inputs,
                                                         __m512i weights) noexcept {
  return reinterpret_cast<i32x16>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), inputs, weights));
}

[[gnu::always_inline]] static inline i32x16 offsets_of(const SparseWeights& weights,
                                                       uint64_t output) noexcept {
  return reinterpret_cast<i32x16>(_mm512_loadu_si512(weights.offsets + output));
}

/// What the zero point of a row's activations adds, negative.
[[gnu::always_inline]] static inline i32x16 zero_part(const SparseMatmul& task, uint32_t row,
                                                      uint64_t output) noexcept {
  return (offsets_of(task.weights, output) >> kSparseZeroBits) * task.rows.zeros[row];
}

/// Cut to `low` and `high`, either sign of a zero to a bound of zero. Maxima drop NaN: one more
/// instruction puts it back.
[[gnu::always_inline]] static inline __m512 cut(__m512 y, __m512 low, __m512 high) noexcept {
  const __m512i nan_of_second = _mm512_set1_epi32(0x22);
  const __m512 within = _mm512_min_ps(_mm512_max_ps(y, low), high);
  return _mm512_fixupimm_ps(within, y, nan_of_second, 0);
}

/// Scales, bias, residual, cut, for 16 outputs of a row, as many of them as there are.
[[gnu::always_inline]] static inline void finish_group(const SparseMatmul& task, i32x16 whole,
                                                       uint32_t row, uint64_t output) noexcept {
  const SparseEnd& end = task.end;
  if (output >= end.n_outputs) return;
  const uint64_t left = end.n_outputs - output;
  const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1u);
  if (task.rows.zeros != nullptr) whole += zero_part(task, row, output);
  const __m512 numbers = _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(whole));
  const __m512 sum = _mm512_mul_ps(numbers, _mm512_loadu_ps(task.weights.scales + output));
  const __m512 scale = _mm512_set1_ps(task.rows.scales[row]);
  __m512 y = end.bias != nullptr
                 ? _mm512_fmadd_ps(sum, scale, _mm512_maskz_loadu_ps(lanes, end.bias + output))
                 : _mm512_mul_ps(sum, scale);
  if (end.residual != nullptr) {
    const float* residual = end.residual + row * end.residual_stride + output;
    y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, residual));
  }
  if (end.cut != 0) {
    y = cut(y, _mm512_set1_ps(end.low), _mm512_set1_ps(end.high));
  }
  _mm512_mask_storeu_ps(end.out + row * end.out_stride + output, lanes, y);
}

}  // namespace cordwood::kernels::avx512icl
