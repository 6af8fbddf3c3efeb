// Codes of queries, keys and values on AVX-512: rows of heads, which are short, four at a time.
//
// A row of up to 64 inputs stays in registers from its first reading to its codes. Four rows find their
// largest magnitudes together: two rounds of interleaving put one row in each place of a quad, where a
// row by itself would take four shuffles of its own. Magnitudes are compared as integers, by which NaN
// is above infinity. What is not finite has a factor of 0: its products are zeros or NaN, which converts
// to a number whose low byte is 0.
#include <immintrin.h>

#include <math.h>
#include <cstring>

#include "kernels/attention/coded.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr float kTiny = 0x1p-100f;
constexpr uint64_t kRows = 4;

[[gnu::always_inline]] inline __m512i larger(__m512i a, __m512i b) noexcept {
  return _mm512_max_epi32(a, b);
}

[[gnu::always_inline]] inline __m512i magnitude(__m512 x) noexcept {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

/// The largest of each of four vectors.
[[gnu::always_inline]] inline __m128i largest_of(__m512i a, __m512i b, __m512i c,
                                                 __m512i d) noexcept {
  const __m512i ab = larger(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = larger(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i four = larger(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_max_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));
  return _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Scales of rows with these largest magnitudes, and what their numbers are multiplied by.
[[gnu::always_inline]] inline __m128 scales_of(__m128i tops, __m128* factors) noexcept {
  const __m128 top = _mm_castsi128_ps(tops);
  const __mmask8 finite = _mm_cmp_ps_mask(top, _mm_set1_ps(INFINITY), _CMP_LT_OQ);
  const __mmask8 any = _mm_mask_cmp_ps_mask(finite, top, _mm_set1_ps(kTiny), _CMP_GE_OQ);
  const __m128 most = _mm_set1_ps(127.0f);
  *factors = _mm_maskz_div_ps(any, most, top);
  const __m128 scales = _mm_maskz_div_ps(any, top, most);
  return _mm_mask_blend_ps(finite, _mm_set1_ps(__builtin_nanf("")), scales);
}

[[gnu::always_inline]] inline __m128i codes_of(__m512 x, __m512 factor) noexcept {
  return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x, factor)));
}

/// Four rows of V whole vectors.
template <uint64_t V>
[[gnu::always_inline]] inline void code_four(const CodeHeads& task, uint64_t row,
                                             __m128i flip) noexcept {
  const float* x = task.x + row * task.stride;
  __m512 numbers[kRows][V];
  __m512i most[kRows];
#pragma GCC unroll 4
  for (uint64_t r = 0; r < kRows; ++r) {
    most[r] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (uint64_t v = 0; v < V; ++v) {
      numbers[r][v] = _mm512_loadu_ps(x + r * task.stride + v * 16);
      most[r] = larger(most[r], magnitude(numbers[r][v]));
    }
  }
  __m128 factors;
  const __m128i tops = largest_of(most[0], most[1], most[2], most[3]);
  _mm_storeu_ps(task.scales + row, scales_of(tops, &factors));
  const __m512 all = _mm512_broadcast_f32x4(factors);
  const __m512 factor[kRows] = {_mm512_permute_ps(all, 0x00), _mm512_permute_ps(all, 0x55),
                                _mm512_permute_ps(all, 0xaa), _mm512_permute_ps(all, 0xff)};
  int8_t* codes = task.codes + row * task.code_stride;
#pragma GCC unroll 4
  for (uint64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (uint64_t v = 0; v < V; ++v) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + r * task.code_stride + v * 16),
                       _mm_xor_si128(codes_of(numbers[r][v], factor[r]), flip));
    }
  }
}

__mmask16 first_lanes(uint64_t count) noexcept {
  return static_cast<__mmask16>(count >= 16 ? 0xffffu : (1u << count) - 1u);
}

/// A row of any length.
void code_row(const CodeHeads& task, uint64_t row, __m128i flip) noexcept {
  const uint64_t padded = (task.n_inputs + kCodedStep - 1) / kCodedStep * kCodedStep;
  const float* x = task.x + row * task.stride;
  int8_t* codes = task.codes + row * task.code_stride;
  __m512i most = _mm512_setzero_si512();
  for (uint64_t i = 0; i < task.n_inputs; i += 16) {
    most = larger(most, magnitude(_mm512_maskz_loadu_ps(first_lanes(task.n_inputs - i), x + i)));
  }
  __m128 factors;
  _mm_store_ss(task.scales + row, scales_of(largest_of(most, most, most, most), &factors));
  const __m512 factor = _mm512_broadcastss_ps(factors);
  for (uint64_t i = 0; i < padded; i += 16) {
    const uint64_t left = i < task.n_inputs ? task.n_inputs - i : 0;
    const __m512 some = _mm512_maskz_loadu_ps(first_lanes(left), x + i);
    _mm_mask_storeu_epi8(codes + i, first_lanes(padded - i),
                         _mm_xor_si128(codes_of(some, factor), flip));
  }
}

template <uint64_t V>
uint64_t code_whole(const CodeHeads& task, __m128i flip) noexcept {
  uint64_t row = 0;
  for (; row + kRows <= task.n_rows; row += kRows) code_four<V>(task, row, flip);
  return row;
}

}  // namespace

void code_heads_s8(const CodeHeads& task) noexcept {
  const __m128i flip = _mm_set1_epi8(static_cast<char>(task.flip));
  uint64_t row = 0;
  if (task.n_inputs == 16) row = code_whole<1>(task, flip);
  if (task.n_inputs == 32) row = code_whole<2>(task, flip);
  if (task.n_inputs == 64) row = code_whole<4>(task, flip);
  for (; row < task.n_rows; ++row) code_row(task, row, flip);
}

void pair_values_s16(const PairValues& task) noexcept {
  int16_t* to = task.panels;
  for (uint64_t first = 0; first < task.n_columns; first += kCodedPanel) {
    for (uint64_t key = 0; key < task.n_keys; key += 2) {
      const int8_t* codes = task.codes + key * task.code_stride + first;
      for (uint64_t half = 0; half < 2; ++half, codes += 16, to += 32) {
        const __m128i even = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
        const __m128i odd =
            key + 1 < task.n_keys
                ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + task.code_stride))
                : _mm_setzero_si128();
        const __m256i both =
            _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
        _mm512_storeu_si512(to, _mm512_cvtepi8_epi16(both));
      }
    }
  }
}

}  // namespace cordwood::kernels::avx512icl
