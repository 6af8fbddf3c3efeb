// One row's bins in registers, on AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::avx2 {
namespace {

[[gnu::always_inline]] inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// Bins of up to 16 kTables columns.
template <uint32_t kTables>
struct Bins {
  __m256i part[kTables];

  explicit Bins(const uint8_t* bins) {
    for (uint32_t t = 0; t < kTables; ++t) {
      part[t] = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(bins + 16 * t)));
    }
  }

  // A column of another 16 gets its top bit set, which looks up zero.
  [[gnu::always_inline]] __m256i at(__m256i column_u8x32) const {
    __m256i bin = _mm256_setzero_si256();
#pragma GCC unroll 16
    for (uint32_t t = 0; t < kTables; ++t) {
      const __m256i from =
          _mm256_xor_si256(column_u8x32, _mm256_set1_epi8(static_cast<char>(16 * t)));
      const __m256i index = _mm256_adds_epu8(from, _mm256_set1_epi8(0x70));
      bin = _mm256_or_si256(bin, _mm256_shuffle_epi8(part[t], index));
    }
    return bin;
  }
};

// Bytes of ones where bin <= rank: the smaller of the two is the bin.
template <uint32_t kTables>
[[gnu::always_inline]] inline __m256i stays_left(const Bins<kTables>& bins, const uint8_t* columns,
                                                 const uint8_t* ranks) {
  const __m256i bin = bins.at(load(columns));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(bin, load(ranks)), bin);
}

}  // namespace
}  // namespace cordwood::kernels::avx2
