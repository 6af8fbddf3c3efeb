// tree_slice for blocks on AVX-512: leaf values by the numbers that avx512_block.hpp finds.
#pragma once

#include <immintrin.h>

#include "kernels/tree_slice/avx512.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint32_t kRegisters = kSliceRows / 64;  // of bytes, for one block

// ---- leaf values -----------------------------------------------------------------------------

// Four neighbouring bytes of each of 32 leaf values. Of what unpacking makes, register e holds in lane
// l the entries from 16 l + 4 e; the lower two lanes of the four registers are the table:
//
//     entry  4 3 2 1 0          dword of the table  3 | 2 4 1 0
struct Dwords {
  __m512i lower, upper;

  explicit Dwords(const uint8_t* planes) {
    const __m512i plane0 = half(planes), plane1 = half(planes + 64);
    const __m512i plane2 = half(planes + 128), plane3 = half(planes + 192);
    const Pair low = unpack8(plane0, plane1);
    const Pair high = unpack8(plane2, plane3);
    const Pair first = unpack16(low.lo, high.lo);
    const Pair second = unpack16(low.hi, high.hi);
    lower = join(first.lo, first.hi);
    upper = join(second.lo, second.hi);
  }

  // 16 rows; only the last five bits of a place count.
  [[gnu::always_inline]] __m512i at(__m512i place_u32x16) const {
    return _mm512_permutex2var_epi32(lower, place_u32x16, upper);
  }

 private:
  static __m512i half(const uint8_t* plane) {
    return _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(plane)));
  }
  static __m512i join(__m512i a, __m512i b) {
    return _mm512_inserti64x4(a, _mm512_castsi512_si256(b), 1);
  }
};

inline void add_32(const uint8_t* table, const uint8_t* leaves, float* sums) {
  const Dwords value(table);
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = load(leaves + 64 * m);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      add(sums + 64 * m + 16 * e, value.at(_mm512_srli_epi32(place, 8 * e)));
    }
  }
}

void add_32(const uint8_t* table, const uint8_t* leaves, double* sums) {
  const Dwords low(table), high(table + 256);
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = load(leaves + 64 * m);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      const __m512i place_u32x16 = _mm512_srli_epi32(place, 8 * e);
      const Pair value = unpack32(low.at(place_u32x16), high.at(place_u32x16));
      add(sums + 64 * m + 16 * e, value.lo);
      add(sums + 64 * m + 16 * e + 8, value.hi);
    }
  }
}

// Words come out of their table with dword i of row j = 16 l + 4 i + e where byte 8 (e / 2) + 2 i + e % 2
// of lane l stands.
template <uint32_t kEntries, class Float>
void add_words(const uint8_t* table, const uint8_t* leaves, Float* sums) {
  const Values<kEntries, Float> values(table);
  const __m512i order =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = _mm512_shuffle_epi8(load(leaves + 64 * m), order);
    Float* at = sums + 64 * m;
    values.add_to(place, at, at + 32);
    values.add_to(_mm512_srli_epi16(place, 8), at + 16, at + 48);
  }
}

template <class Float>
void add_leaves(const uint8_t* table, uint32_t digits, const uint8_t* leaves, Float* sums) {
  if (digits <= 5) return add_32(table, leaves, sums);
  if (digits == 6) return add_words<64>(table, leaves, sums);
  add_words<256>(table, leaves, sums);
}

// Where the sum of row 128 l + 32 i + 8 e + m stands.
constexpr uint32_t place_of(uint32_t row, const float*) {
  const uint32_t l = row / 128, i = row / 32 % 4, e = row / 8 % 4, m = row % 8;
  return 64 * m + 16 * e + 4 * l + i;
}
constexpr uint32_t place_of(uint32_t row, const double*) {
  const uint32_t l = row / 128, i = row / 32 % 4, e = row / 8 % 4, m = row % 8;
  return 64 * m + 16 * e + 8 * (i / 2) + 2 * l + i % 2;
}

template <class Float>
void restore_order(Float* sums, Float* spare) {
  for (uint32_t i = 0; i < kSliceRows; ++i) spare[i] = sums[i];
  for (uint32_t row = 0; row < kSliceRows; ++row) sums[row] = spare[place_of(row, sums)];
}

template <class Float>
void leave_order(Float* sums, Float* spare) {
  for (uint32_t i = 0; i < kSliceRows; ++i) spare[i] = sums[i];
  for (uint32_t row = 0; row < kSliceRows; ++row) sums[place_of(row, sums)] = spare[row];
}

// Leaf numbers in row order: byte j of register m to byte 8 j + m.
void restore_leaves(uint8_t* leaves) {
  Pair twos[4], fours[4];
  for (uint32_t i = 0; i < 4; ++i) {
    twos[i] = unpack8(load(leaves + 128 * i), load(leaves + 128 * i + 64));
  }
  for (uint32_t i = 0; i < 2; ++i) {
    fours[2 * i] = unpack16(twos[2 * i].lo, twos[2 * i + 1].lo);
    fours[2 * i + 1] = unpack16(twos[2 * i].hi, twos[2 * i + 1].hi);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    const Pair low = unpack32(fours[i].lo, fours[i + 2].lo);
    const Pair high = unpack32(fours[i].hi, fours[i + 2].hi);
    const __m512i parts[4] = {low.lo, low.hi, high.lo, high.hi};
    for (uint32_t p = 0; p < 4; ++p) {
      auto* to = reinterpret_cast<__m128i*>(leaves + 64 * i + 16 * p);
      _mm_store_si128(to, _mm512_extracti32x4_epi32(parts[p], 0));
      _mm_store_si128(to + 8, _mm512_extracti32x4_epi32(parts[p], 1));
      _mm_store_si128(to + 16, _mm512_extracti32x4_epi32(parts[p], 2));
      _mm_store_si128(to + 24, _mm512_extracti32x4_epi32(parts[p], 3));
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx512
