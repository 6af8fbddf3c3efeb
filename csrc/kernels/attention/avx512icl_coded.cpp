// Products of attention on integers with AVX-512 VNNI: a tile of rows by 32 keys or columns.
//
// Scores: vpdpbusd takes queries as unsigned bytes, 128 above their codes; a panel's sums begin with
// what that adds, turned round. Values: vpdpwssd, two keys at a time. A step of either tile is two loads
// of a panel, a broadcast for each row, and two multiply-adds for each: twelve rows keep 24 sums in
// registers, and the multiply-adds bind. A head of 32 inputs has eight steps to a tile, so that its
// ending, a conversion, two products and a store for each sum, takes about half as long again.
#include <immintrin.h>

#include <cstring>

#include "kernels/attention/coded.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

using i32x16 [[gnu::vector_size(64)]] = int32_t;

constexpr uint64_t kKeyStepBytes = kCodedPanel * kCodedStep;
constexpr uint64_t kPairCodes = kCodedPanel * 2;

/// Sums of a row: keys or columns 0 to 15 and 16 to 31.
struct Pair {
  i32x16 low;
  i32x16 high;
};

[[gnu::always_inline]] inline __m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

/// Four bytes of a query, or weights of two keys.
[[gnu::always_inline]] inline __m512i word_of(const void* from) noexcept {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
  return _mm512_set1_epi32(word);
}

[[gnu::always_inline]] inline i32x16 add_bytes(i32x16 sum, __m512i queries, __m512i keys) noexcept {
  return reinterpret_cast<i32x16>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), queries, keys));
}

[[gnu::always_inline]] inline i32x16 add_pairs(i32x16 sum, __m512i weights,
                                               __m512i values) noexcept {
  return reinterpret_cast<i32x16>(
      _mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sum), weights, values));
}

[[gnu::always_inline]] inline __m512 floats_of(i32x16 sums) noexcept {
  return _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(sums));
}

template <uint32_t R>
[[gnu::always_inline]] inline void score_tile(const CodedScores& task, uint64_t row,
                                              const int8_t* panel, uint64_t first_key,
                                              const Pair& start) noexcept {
  Pair sums[R];
#pragma GCC unroll 12
  for (Pair& sum : sums) sum = start;
  const uint8_t* queries = task.queries + row * task.query_stride;
  for (uint64_t step = 0; step < task.n_steps; ++step) {
    const __m512i low = load(panel + step * kKeyStepBytes);
    const __m512i high = load(panel + step * kKeyStepBytes + 64);
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      const __m512i query = word_of(queries + r * task.query_stride + step * kCodedStep);
      sums[r].low = add_bytes(sums[r].low, query, low);
      sums[r].high = add_bytes(sums[r].high, query, high);
    }
  }
  const __m512 low = _mm512_loadu_ps(task.key_scales + first_key);
  const __m512 high = _mm512_loadu_ps(task.key_scales + first_key + 16);
  float* scores = task.scores + row * task.stride + first_key;
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    const __m512 factor = _mm512_set1_ps(task.query_factors[row + r]);
    _mm512_storeu_ps(scores, _mm512_mul_ps(_mm512_mul_ps(floats_of(sums[r].low), factor), low));
    _mm512_storeu_ps(scores + 16,
                     _mm512_mul_ps(_mm512_mul_ps(floats_of(sums[r].high), factor), high));
    scores += task.stride;
  }
}

/// Sums of R rows over pairs of keys.
template <uint32_t R>
[[gnu::always_inline]] inline void add_keys(const int16_t* weights, uint64_t stride,
                                            const int16_t* values, uint64_t n_pairs,
                                            Pair (&sums)[R]) noexcept {
  for (uint64_t pair = 0; pair < n_pairs; ++pair) {
    const __m512i low = load(values);
    const __m512i high = load(values + 32);
    values += kPairCodes;
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      const __m512i weight = word_of(weights + r * stride + pair * 2);
      sums[r].low = add_pairs(sums[r].low, weight, low);
      sums[r].high = add_pairs(sums[r].high, weight, high);
    }
  }
}

/// The numbers of a sum so far and of its last part, times the row's factor: NaN in its one form, a zero
/// without a sign.
[[gnu::always_inline]] inline __m512 end_of(__m512 whole, float factor) noexcept {
  const __m512 y = _mm512_add_ps(_mm512_mul_ps(whole, _mm512_set1_ps(factor)), _mm512_setzero_ps());
  const __mmask16 is_nan = _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
  return _mm512_mask_blend_ps(is_nan, y, _mm512_set1_ps(__builtin_nanf("")));
}

/// A part of the keys, of at most kCodedKeys, for R rows and 32 columns; `out` holds the parts before.
struct Part {
  uint64_t first;
  uint64_t last;
  bool is_first;
  bool is_last;
};

template <uint32_t R>
[[gnu::always_inline]] inline void value_tile(const CodedValues& task, uint64_t row,
                                              uint64_t column, const Part& part) noexcept {
  Pair sums[R]{};
  add_keys<R>(task.weights + row * task.weight_stride + part.first, task.weight_stride,
              task.values + column / kCodedPanel * task.panel_stride + part.first * kCodedPanel,
              (part.last - part.first + 1) / 2, sums);
  const uint64_t left = task.n_columns - column;
  const uint32_t bits = left >= 32 ? ~0u : (1u << left) - 1u;
  const __mmask16 low = static_cast<__mmask16>(bits);
  const __mmask16 high = static_cast<__mmask16>(bits >> 16);
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    float* out = task.out + (row + r) * task.out_stride + column;
    __m512 low_whole = floats_of(sums[r].low);
    __m512 high_whole = floats_of(sums[r].high);
    if (!part.is_first) {
      low_whole = _mm512_add_ps(_mm512_maskz_loadu_ps(low, out), low_whole);
      high_whole = _mm512_add_ps(_mm512_maskz_loadu_ps(high, out + 16), high_whole);
    }
    if (part.is_last) {
      low_whole = end_of(low_whole, task.factors[row + r]);
      high_whole = end_of(high_whole, task.factors[row + r]);
    }
    _mm512_mask_storeu_ps(out, low, low_whole);
    _mm512_mask_storeu_ps(out + 16, high, high_whole);
  }
}

void multiply_part(const CodedValues& task, const Part& part) noexcept {
  for (uint64_t column = 0; column < task.n_columns; column += kCodedPanel) {
    uint64_t row = 0;
    for (; row + 12 <= task.n_rows; row += 12) value_tile<12>(task, row, column, part);
    for (; row + 4 <= task.n_rows; row += 4) value_tile<4>(task, row, column, part);
    for (; row < task.n_rows; ++row) value_tile<1>(task, row, column, part);
  }
}

}  // namespace

void attention_scores_s8(const CodedScores& task) noexcept {
  const __m512i unsigned_zero = _mm512_set1_epi8(static_cast<char>(128));
  for (uint64_t p = 0; p < task.n_panels; ++p) {
    const int8_t* panel = task.keys + p * task.n_steps * kKeyStepBytes;
    Pair above{};
    for (uint64_t step = 0; step < task.n_steps; ++step) {
      above.low = add_bytes(above.low, unsigned_zero, load(panel + step * kKeyStepBytes));
      above.high = add_bytes(above.high, unsigned_zero, load(panel + step * kKeyStepBytes + 64));
    }
    const Pair start{-above.low, -above.high};
    uint64_t row = 0;
    const uint64_t key = p * kCodedPanel;
    for (; row + 12 <= task.n_rows; row += 12) score_tile<12>(task, row, panel, key, start);
    for (; row + 4 <= task.n_rows; row += 4) score_tile<4>(task, row, panel, key, start);
    for (; row < task.n_rows; ++row) score_tile<1>(task, row, panel, key, start);
  }
}

void attention_values_s16(const CodedValues& task) noexcept {
  uint64_t first = 0;
  do {
    const uint64_t to_cut = kCodedKeys - (task.first_key + first) % kCodedKeys;
    const uint64_t left = task.n_keys - first;
    const uint64_t last = first + (left < to_cut ? left : to_cut);
    multiply_part(task, {first, last, first == 0, last == task.n_keys});
    first = last;
  } while (first < task.n_keys);
}

}  // namespace cordwood::kernels::avx512icl
