// Products of attention on integers, and codes of its weights, on AVX2: eight keys or columns to a vector.
//
// vpmaddubsw multiplies unsigned by signed bytes and saturates pairs of products at 32 767. Codes of
// queries go in as magnitudes, their signs move to the keys, and codes stay within 127: a pair is at
// most 32 258. vpmaddwd adds pairs of int16 products exactly. A query meets the 32 keys or columns of a
// panel, four vectors, two rows at a time.
#include <cstring>

#include "kernels/attention/code_rows.hpp"
#include "kernels/math/lanes_avx2.hpp"

namespace cordwood::kernels::avx2 {
namespace {

using i32x8 [[gnu::vector_size(32)]] = int32_t;

constexpr float kTiny = 0x1p-100f;
constexpr uint32_t kPanelVectors = 4;

struct Isa : math::Avx2Lanes {
  static Mask unset(const uint8_t* bytes) noexcept {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    const __m256i wide = _mm256_cvtepu8_epi32(eight);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(wide, _mm256_setzero_si256()));
  }
  static void store_codes(int16_t* to, Float x) noexcept {
    const __m256i low = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xffff));
    const __m128i codes =
        _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  }
};

[[gnu::always_inline]] inline __m256i load(const void* from) noexcept {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

[[gnu::always_inline]] inline __m256i word_of(const void* from) noexcept {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
  return _mm256_set1_epi32(word);
}

[[gnu::always_inline]] inline i32x8 add_bytes(i32x8 sum, __m256i query, __m256i keys) noexcept {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(query), _mm256_sign_epi8(keys, query));
  return sum + reinterpret_cast<i32x8>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

[[gnu::always_inline]] inline i32x8 add_pairs(i32x8 sum, __m256i weight, __m256i values) noexcept {
  return sum + reinterpret_cast<i32x8>(_mm256_madd_epi16(weight, values));
}

template <uint32_t R>
[[gnu::always_inline]] inline void score_tile(const CodedScores& task, uint64_t row,
                                              const int8_t* panel, uint64_t first_key) noexcept {
  const __m256i unsigned_zero = _mm256_set1_epi8(static_cast<char>(128));
  i32x8 sums[R][kPanelVectors]{};
  for (uint64_t step = 0; step < task.n_steps; ++step) {
#pragma GCC unroll 2
    for (uint32_t r = 0; r < R; ++r) {
      const __m256i query = _mm256_xor_si256(
          unsigned_zero, word_of(task.queries + (row + r) * task.query_stride + step * kCodedStep));
#pragma GCC unroll 4
      for (uint32_t v = 0; v < kPanelVectors; ++v) {
        sums[r][v] = add_bytes(sums[r][v], query, load(panel + v * 32));
      }
    }
    panel += kCodedPanel * kCodedStep;
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < R; ++r) {
    const __m256 factor = _mm256_set1_ps(task.query_factors[row + r]);
    float* scores = task.scores + (row + r) * task.stride + first_key;
#pragma GCC unroll 4
    for (uint32_t v = 0; v < kPanelVectors; ++v) {
      const __m256 sum = _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(sums[r][v]));
      const __m256 scale = _mm256_loadu_ps(task.key_scales + first_key + v * 8);
      _mm256_storeu_ps(scores + v * 8, _mm256_mul_ps(_mm256_mul_ps(sum, factor), scale));
    }
  }
}

/// Sums of keys `first` to `last` as floats: [row of R][32 columns].
template <uint32_t R>
[[gnu::always_inline]] inline void add_keys(const CodedValues& task, uint64_t row,
                                            const int16_t* panel, uint64_t first, uint64_t last,
                                            __m256 (&whole)[R][kPanelVectors]) noexcept {
  i32x8 sums[R][kPanelVectors]{};
  for (uint64_t key = first; key < last; key += 2) {
    const int16_t* values = panel + key * kCodedPanel;
#pragma GCC unroll 2
    for (uint32_t r = 0; r < R; ++r) {
      const __m256i weight = word_of(task.weights + (row + r) * task.weight_stride + key);
#pragma GCC unroll 4
      for (uint32_t v = 0; v < kPanelVectors; ++v) {
        sums[r][v] = add_pairs(sums[r][v], weight, load(values + v * 16));
      }
    }
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (uint32_t v = 0; v < kPanelVectors; ++v) {
      const __m256 sum = _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(sums[r][v]));
      whole[r][v] = _mm256_add_ps(whole[r][v], sum);
    }
  }
}

template <uint32_t R>
[[gnu::always_inline]] inline void value_tile(const CodedValues& task, uint64_t row,
                                              uint64_t column) noexcept {
  const int16_t* panel = task.values + column / kCodedPanel * task.panel_stride;
  __m256 whole[R][kPanelVectors]{};
  for (uint64_t first = 0; first < task.n_keys;) {
    const uint64_t to_cut = kCodedKeys - (task.first_key + first) % kCodedKeys;
    const uint64_t left = task.n_keys - first;
    const uint64_t last = first + (left < to_cut ? left : to_cut);
    add_keys<R>(task, row, panel, first, last, whole);
    first = last;
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < R; ++r) {
    const __m256 factor = _mm256_set1_ps(task.factors[row + r]);
    float* out = task.out + (row + r) * task.out_stride + column;
#pragma GCC unroll 4
    for (uint32_t v = 0; v < kPanelVectors; ++v) {
      const __m256 y = _mm256_add_ps(_mm256_mul_ps(whole[r][v], factor), _mm256_setzero_ps());
      const uint64_t left = task.n_columns - column;
      if (left <= v * 8) break;
      Isa::store_some(out + v * 8, left - v * 8, math::keep_nan<Isa>(y, y));
    }
  }
}

/// The bits of the largest magnitude: those of NaN are above those of infinity.
uint32_t top_bits(const float* x, uint64_t n_inputs) noexcept {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  for (uint64_t i = 0; i < n_inputs; i += 8) {
    const uint64_t left = n_inputs - i;
    const __m256 some = left >= 8 ? Isa::load(x + i) : Isa::load_some(x + i, left);
    most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(some), magnitude));
  }
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

/// Eight whole numbers to bytes, of which the first `count` are stored.
void store_bytes(int8_t* to, uint64_t count, __m256i whole, uint8_t flip) noexcept {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  const __m128i bytes =
      _mm_xor_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(static_cast<char>(flip)));
  if (count >= 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
  } else {
    const int32_t four = _mm_cvtsi128_si32(bytes);
    std::memcpy(to, &four, sizeof four);
  }
}

}  // namespace

void code_heads_s8(const CodeHeads& task) noexcept {
  const uint64_t padded = (task.n_inputs + kCodedStep - 1) / kCodedStep * kCodedStep;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.stride;
    int8_t* codes = task.codes + row * task.code_stride;
    const uint32_t bits = top_bits(x, task.n_inputs);
    float top;
    std::memcpy(&top, &bits, sizeof top);
    const bool finite = top < INFINITY;
    const bool any = finite && top >= kTiny;
    const __m256 factor = _mm256_set1_ps(any ? 127.0f / top : 0.0f);
    task.scales[row] = any ? top / 127.0f : (finite ? 0.0f : NAN);
    for (uint64_t i = 0; i < padded; i += 8) {
      const uint64_t left = any && i < task.n_inputs ? task.n_inputs - i : 0;
      const __m256 some = left >= 8 ? Isa::load(x + i) : Isa::load_some(x + i, left);
      store_bytes(codes + i, padded - i, _mm256_cvtps_epi32(_mm256_mul_ps(some, factor)),
                  task.flip);
    }
  }
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
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                            _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(even, odd)));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 16),
                            _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(even, odd)));
      }
    }
  }
}

void attention_scores_s8(const CodedScores& task) noexcept {
  for (uint64_t p = 0; p < task.n_panels; ++p) {
    const int8_t* panel = task.keys + p * task.n_steps * kCodedPanel * kCodedStep;
    uint64_t row = 0;
    for (; row + 2 <= task.n_rows; row += 2) score_tile<2>(task, row, panel, p * kCodedPanel);
    for (; row < task.n_rows; ++row) score_tile<1>(task, row, panel, p * kCodedPanel);
  }
}

void attention_codes_f32(const CodedWeights& task) noexcept {
  code_rows<Isa>(task);
}

void attention_values_s16(const CodedValues& task) noexcept {
  for (uint64_t column = 0; column < task.n_columns; column += kCodedPanel) {
    uint64_t row = 0;
    for (; row + 2 <= task.n_rows; row += 2) value_tile<2>(task, row, column);
    for (; row < task.n_rows; ++row) value_tile<1>(task, row, column);
  }
}

}  // namespace cordwood::kernels::avx2
