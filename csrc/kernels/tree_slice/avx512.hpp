// Category sets, digits and leaf values on AVX-512 without VBMI: what blocks and words of rows have
// in common.
//
// Leaf values come as byte planes. Unpacking two planes of 64 entries makes a table of 64 words in
// two registers, which vpermi2w looks up for 32 rows at once:
//
//     entry  5 4 3 2 1 0          word of the table  3 | 5 4 2 1 0
//
// so that the bits of an entry's number stand in another order there. Numbers are made of
// digits in any order, and come in the one that the look-up wants.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::avx512 {
namespace {

[[gnu::always_inline]] inline __m512i load(const void* p) {
  return _mm512_load_si512(p);
}
[[gnu::always_inline]] inline void store(void* p, __m512i value) {
  _mm512_store_si512(p, value);
}

struct Pair {
  __m512i lo, hi;
};

[[gnu::always_inline]] inline Pair unpack8(__m512i a, __m512i b) {
  return {_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)};
}
[[gnu::always_inline]] inline Pair unpack16(__m512i a, __m512i b) {
  return {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)};
}
[[gnu::always_inline]] inline Pair unpack32(__m512i a, __m512i b) {
  return {_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)};
}

// Bit `bin` of a 256-bit table, 64 bins at once: two shuffles fetch byte bin / 8.
class BinBits {
 public:
  explicit BinBits(__m512i bin_u8x64)
      : byte_(_mm512_and_si512(_mm512_srli_epi16(bin_u8x64, 3), _mm512_set1_epi8(31))),
        bit_(_mm512_shuffle_epi8(_mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull)),
                                 _mm512_and_si512(bin_u8x64, _mm512_set1_epi8(7)))),
        upper_(_mm512_cmpgt_epu8_mask(byte_, _mm512_set1_epi8(15))) {}

  [[gnu::always_inline]] uint64_t in(const uint8_t* table) const {
    const __m128i* half = reinterpret_cast<const __m128i*>(table);
    const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128(half));
    const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128(half + 1));
    const __m512i bits =
        _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(low, byte_), upper_, high, byte_);
    return _mm512_test_epi8_mask(bits, bit_);
  }

 private:
  __m512i byte_;
  __m512i bit_;
  __mmask64 upper_;
};

// ---- leaf numbers ----------------------------------------------------------------------------

// Where digits stand in a number.
enum class Order {
  kLeaf,   // the in-order number of the leaf itself
  kWords,  // the place in a table of `Words`
  kDwords  // the place in a table of 32-bit pieces, of up to 32 leaves
};

constexpr uint32_t bit_of_digit(Order order, uint32_t digit) {
  constexpr uint32_t kWordBit[8] = {0, 1, 2, 5, 3, 4, 6, 7};
  constexpr uint32_t kDwordBit[8] = {0, 1, 3, 4, 2, 5, 6, 7};
  if (order == Order::kLeaf) return digit;
  return order == Order::kWords ? kWordBit[digit] : kDwordBit[digit];
}

// ---- leaf values -----------------------------------------------------------------------------

// Two neighbouring bytes of every leaf value of a tree.
template <uint32_t kEntries>
struct Words {
  Pair part[kEntries / 64];

  explicit Words(const uint8_t* planes) {
#pragma GCC unroll 4
    for (uint32_t i = 0; i < kEntries / 64; ++i) {
      part[i] = unpack8(load(planes + 64 * i), load(planes + kEntries + 64 * i));
    }
  }

  [[gnu::always_inline]] __m512i among(uint32_t i, __m512i place) const {
    return _mm512_permutex2var_epi16(part[i].lo, place, part[i].hi);
  }

  // The words at 32 places; the upper byte of a place does not count.
  [[gnu::always_inline]] __m512i at(__m512i place_u16x32) const {
    if constexpr (kEntries == 64) {
      return among(0, place_u16x32);
    } else {
      const __mmask32 odd = _mm512_test_epi16_mask(place_u16x32, _mm512_set1_epi16(0x40));
      const __mmask32 upper = _mm512_test_epi16_mask(place_u16x32, _mm512_set1_epi16(0x80));
      return _mm512_mask_blend_epi16(
          upper, _mm512_mask_blend_epi16(odd, among(0, place_u16x32), among(1, place_u16x32)),
          _mm512_mask_blend_epi16(odd, among(2, place_u16x32), among(3, place_u16x32)));
    }
  }
};

[[gnu::always_inline]] inline void add(float* sums, __m512i value) {
  _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_castsi512_ps(value)));
}
[[gnu::always_inline]] inline void add(double* sums, __m512i value) {
  _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), _mm512_castsi512_pd(value)));
}

// Leaf values of a tree as tables of words.
template <uint32_t kEntries, class Float>
struct Values;

template <uint32_t kEntries>
struct Values<kEntries, float> {
  Words<kEntries> low, high;

  explicit Values(const uint8_t* planes) : low(planes), high(planes + 2 * kEntries) {}

  // 32 rows: of each eight, the first four to `first`, the others to `second`.
  [[gnu::always_inline]] void add_to(__m512i place_u16x32, float* first, float* second) const {
    const Pair value = unpack16(low.at(place_u16x32), high.at(place_u16x32));
    add(first, value.lo);
    add(second, value.hi);
  }
};

template <uint32_t kEntries>
struct Values<kEntries, double> {
  Words<kEntries> word0, word1, word2, word3;

  explicit Values(const uint8_t* planes)
      : word0(planes),
        word1(planes + 2 * kEntries),
        word2(planes + 4 * kEntries),
        word3(planes + 6 * kEntries) {}

  // The same; of the four the first two of each lane before the others.
  [[gnu::always_inline]] void add_to(__m512i place_u16x32, double* first, double* second) const {
    const Pair low = unpack16(word0.at(place_u16x32), word1.at(place_u16x32));
    const Pair high = unpack16(word2.at(place_u16x32), word3.at(place_u16x32));
    const Pair begin = unpack32(low.lo, high.lo);
    const Pair end = unpack32(low.hi, high.hi);
    add(first, begin.lo);
    add(first + 8, begin.hi);
    add(second, end.lo);
    add(second + 8, end.hi);
  }
};

}  // namespace
}  // namespace cordwood::kernels::avx512
