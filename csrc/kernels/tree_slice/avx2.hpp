// Category sets and leaf values on AVX2: what blocks and words of rows have in common.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint32_t kByteRows = 32;  // rows whose bins or leaf numbers fill a register

[[gnu::always_inline]] inline __m256i load(const void* p) {
  return _mm256_load_si256(static_cast<const __m256i*>(p));
}
[[gnu::always_inline]] inline void store(void* p, __m256i value) {
  _mm256_store_si256(static_cast<__m256i*>(p), value);
}

[[gnu::always_inline]] inline __m256i load_twice(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}

// Bit `bin` of a 256-bit table: two shuffles fetch byte bin / 8, a third makes the mask of bit bin % 8.
[[gnu::always_inline]] inline __m256i look_up_bits(const uint8_t* table, __m256i bin_u8x32) {
  const __m256i bit_of = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
  const __m256i mask =
      _mm256_shuffle_epi8(bit_of, _mm256_and_si256(bin_u8x32, _mm256_set1_epi8(7)));
  const __m256i byte = _mm256_and_si256(_mm256_srli_epi16(bin_u8x32, 3), _mm256_set1_epi8(31));
  const __m128i* half = reinterpret_cast<const __m128i*>(table);
  const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(half));
  const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(half + 1));
  const __m256i bits =
      _mm256_blendv_epi8(_mm256_shuffle_epi8(low, byte), _mm256_shuffle_epi8(high, byte),
                         _mm256_cmpgt_epi8(byte, _mm256_set1_epi8(15)));
  return _mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask);
}

// ---- leaf values -----------------------------------------------------------------------------

// Leaf numbers as the indices of pshufb into each 16 entries of a plane. A number of another 16 has
// its top bit set, which looks up zero, so that the answers only need an or.
template <uint32_t kTables>
struct Index {
  __m256i part[kTables];

  explicit Index(__m256i leaf) {
    if constexpr (kTables == 1) {
      part[0] = leaf;
    } else {
#pragma GCC unroll 16
      for (uint32_t t = 0; t < kTables; ++t) {
        const __m256i from = _mm256_xor_si256(leaf, _mm256_set1_epi8(static_cast<char>(16 * t)));
        part[t] = _mm256_adds_epu8(from, _mm256_set1_epi8(0x70));
      }
    }
  }
};

template <uint32_t kTables>
[[gnu::always_inline]] inline __m256i look_up(const uint8_t* plane, const Index<kTables>& leaf) {
  __m256i value = _mm256_shuffle_epi8(load_twice(plane), leaf.part[0]);
#pragma GCC unroll 16
  for (uint32_t t = 1; t < kTables; ++t) {
    value = _mm256_or_si256(value, _mm256_shuffle_epi8(load_twice(plane + 16 * t), leaf.part[t]));
  }
  return value;
}

// Entries of the plane that so many tables are read from.
template <uint32_t kTables>
constexpr uint32_t kEntries = kTables <= 4 ? 64 : 256;

struct Quad {
  __m256i part[4];  // 32-bit pieces of rows 0-3, 4-7, 8-11, 12-15 of each lane
};

template <uint32_t kTables>
[[gnu::always_inline]] inline Quad look_up_four(const uint8_t* table, const Index<kTables>& leaf) {
  const __m256i b0 = look_up(table, leaf);
  const __m256i b1 = look_up(table + kEntries<kTables>, leaf);
  const __m256i b2 = look_up(table + 2 * kEntries<kTables>, leaf);
  const __m256i b3 = look_up(table + 3 * kEntries<kTables>, leaf);
  const __m256i low_lo = _mm256_unpacklo_epi8(b0, b1), low_hi = _mm256_unpackhi_epi8(b0, b1);
  const __m256i high_lo = _mm256_unpacklo_epi8(b2, b3), high_hi = _mm256_unpackhi_epi8(b2, b3);
  return {{_mm256_unpacklo_epi16(low_lo, high_lo), _mm256_unpackhi_epi16(low_lo, high_lo),
           _mm256_unpacklo_epi16(low_hi, high_hi), _mm256_unpackhi_epi16(low_hi, high_hi)}};
}

[[gnu::always_inline]] inline void add(float* sums, __m256i value) {
  _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), _mm256_castsi256_ps(value)));
}
[[gnu::always_inline]] inline void add(double* sums, __m256i value) {
  _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), _mm256_castsi256_pd(value)));
}

// 32 rows.
template <uint32_t kTables>
[[gnu::always_inline]] inline void add_part(const uint8_t* table, const Index<kTables>& leaf,
                                            float* sums) {
  const Quad value = look_up_four(table, leaf);
#pragma GCC unroll 4
  for (uint32_t e = 0; e < 4; ++e) add(sums + 8 * e, value.part[e]);
}

template <uint32_t kTables>
[[gnu::always_inline]] inline void add_part(const uint8_t* table, const Index<kTables>& leaf,
                                            double* sums) {
  const Quad low = look_up_four(table, leaf);
  const Quad high = look_up_four(table + 4 * kEntries<kTables>, leaf);
#pragma GCC unroll 4
  for (uint32_t e = 0; e < 4; ++e) {
    add(sums + 8 * e, _mm256_unpacklo_epi32(low.part[e], high.part[e]));
    add(sums + 8 * e + 4, _mm256_unpackhi_epi32(low.part[e], high.part[e]));
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx2
