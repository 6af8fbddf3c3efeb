// Category sets, digits to numbers and leaf values by byte planes, on AVX-512 with VBMI.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::avx512icl {
namespace {

[[gnu::always_inline]] inline __m512i load(const void* p) {
  return _mm512_load_si512(p);
}
[[gnu::always_inline]] inline void store(void* p, __m512i value) {
  _mm512_store_si512(p, value);
}

// Bit `bin` of a 256-bit table, 64 bins at once: vpermb fetches byte bin / 8, a shuffle makes the mask of
// bit bin % 8.
class BinBits {
 public:
  explicit BinBits(__m512i bin_u8x64)
      : byte_(_mm512_and_si512(_mm512_srli_epi16(bin_u8x64, 3), _mm512_set1_epi8(31))),
        bit_(_mm512_shuffle_epi8(_mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull)),
                                 _mm512_and_si512(bin_u8x64, _mm512_set1_epi8(7)))) {}

  [[gnu::always_inline]] uint64_t in(const uint8_t* table) const {
    const __m512i bytes =
        _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table)));
    return _mm512_test_epi8_mask(_mm512_permutexvar_epi8(byte_, bytes), bit_);
  }

 private:
  __m512i byte_;
  __m512i bit_;
};

// Digit p of 64 numbers in quadword p, to the 64 numbers: byte b of the digits, the last one in front, to
// quadword b, and an 8x8 bit transpose in each. The instruction numbers matrix rows from the top.
[[gnu::always_inline]] inline __m512i transpose_digits(__m512i digits) {
  const __m512i digit_byte = _mm512_set_epi64(
      0x070f171f272f373f, 0x060e161e262e363e, 0x050d151d252d353d, 0x040c141c242c343c,
      0x030b131b232b333b, 0x020a121a222a323a, 0x0109111921293139, 0x0008101820283038);
  const __m512i unit = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull));
  return _mm512_gf2p8affine_epi64_epi8(unit, _mm512_permutexvar_epi8(digit_byte, digits), 0);
}

// Pairs of neighbouring planes, unpacked: twice the element, half the rows in each register.
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

// One byte of every leaf value of a tree.
template <uint32_t kEntries>
struct Plane {
  __m512i part[kEntries / 64];

  explicit Plane(const uint8_t* table) {
    for (uint32_t i = 0; i < kEntries / 64; ++i) part[i] = load(table + 64 * i);
  }

  [[gnu::always_inline]] __m512i at(__m512i leaf) const {
    if constexpr (kEntries == 64) {
      return _mm512_permutexvar_epi8(leaf, part[0]);
    } else {
      return _mm512_mask_blend_epi8(_mm512_movepi8_mask(leaf),
                                    _mm512_permutex2var_epi8(part[0], leaf, part[1]),
                                    _mm512_permutex2var_epi8(part[2], leaf, part[3]));
    }
  }
};

struct Quad {
  __m512i part[4];  // 32-bit pieces of rows 0-3, 4-7, 8-11, 12-15 of each lane
};

template <uint32_t kEntries>
[[gnu::always_inline]] inline Quad look_up_four(const uint8_t* table, __m512i leaf) {
  const Pair low =
      unpack8(Plane<kEntries>(table).at(leaf), Plane<kEntries>(table + kEntries).at(leaf));
  const Pair high = unpack8(Plane<kEntries>(table + 2 * kEntries).at(leaf),
                            Plane<kEntries>(table + 3 * kEntries).at(leaf));
  const Pair first = unpack16(low.lo, high.lo);
  const Pair second = unpack16(low.hi, high.hi);
  return {{first.lo, first.hi, second.lo, second.hi}};
}

}  // namespace
}  // namespace cordwood::kernels::avx512icl
