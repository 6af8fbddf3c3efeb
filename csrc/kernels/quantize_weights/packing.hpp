// 32 codes, a byte each, to 4 * bits bytes and back, for the rows that have 256-bit integers.
//
// Packing multiplies and adds neighbours: two codes to one of 16 bits, two of those to one of 32.
// Unpacking moves the upper half of each element up by what it lacks and masks, until a code is a
// byte: (w | w << 4) & 0x0F0F. Three bits take one more step, over elements of 64 bits.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace cordwood::kernels {
namespace {

// Reading comes to a halt while codes are made: what comes next is asked for meanwhile. An address
// past the end does no harm.
constexpr uint64_t kWeightsAhead = 4096;

inline void ask_for_weights(const float* w) noexcept {
  const char* next = reinterpret_cast<const char*>(w + kWeightsAhead);
  _mm_prefetch(next, _MM_HINT_T0);
  _mm_prefetch(next + 64, _MM_HINT_T0);
}

/// Codes side by side, the first in the lower bits: of bytes `a`, `b` it makes `a + b * factor`.
inline __m256i join_bytes(__m256i codes, int factor) noexcept {
  return _mm256_maddubs_epi16(codes, _mm256_set1_epi16(static_cast<int16_t>(factor << 8 | 1)));
}

inline __m256i join_words(__m256i pairs, int factor) noexcept {
  return _mm256_madd_epi16(pairs, _mm256_set1_epi32(factor << 16 | 1));
}

/// Writes the 12 lower bytes.
inline void store_12(__m128i bytes, uint8_t* out) noexcept {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), bytes);
  const int32_t last = _mm_extract_epi32(bytes, 2);
  std::memcpy(out + 8, &last, sizeof last);
}

inline __m128i load_12(const uint8_t* bytes) noexcept {
  int32_t last;
  std::memcpy(&last, bytes + 8, sizeof last);
  return _mm_insert_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)), last, 2);
}

template <uint32_t kBits>
void pack(__m256i codes_u8x32, uint8_t* out) noexcept {
  if constexpr (kBits == 8) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), codes_u8x32);
  } else if constexpr (kBits == 4) {
    const __m256i pairs = join_bytes(codes_u8x32, 1 << 4);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  } else if constexpr (kBits == 3) {
    const __m256i fours = join_words(join_bytes(codes_u8x32, 1 << 3), 1 << 6);
    const __m256i eights = _mm256_or_si256(fours, _mm256_srli_epi64(fours, 20));
    const __m256i gather =
        _mm256_setr_epi8(0, 1, 2, 8, 9, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                         -1, -1, 0, 1, 2, 8, 9, 10, -1, -1, -1, -1);
    const __m256i halves = _mm256_shuffle_epi8(eights, gather);
    store_12(_mm_or_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)),
             out);
  } else {
    const __m256i fours = join_words(join_bytes(codes_u8x32, 1 << 2), 1 << 4);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
  }
}

template <uint32_t kBits>
__m256i unpack(const uint8_t* bytes) noexcept {
  if constexpr (kBits == 8) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  } else if constexpr (kBits == 4) {
    const __m256i pairs =
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
    return _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)),
                            _mm256_set1_epi8(0x0F));
  } else if constexpr (kBits == 3) {
    const __m256i spread =
        _mm256_setr_epi8(0, 1, 2, -1, -1, -1, -1, -1, 3, 4, 5, -1, -1, -1, -1, -1, 6, 7, 8, -1, -1,
                         -1, -1, -1, 9, 10, 11, -1, -1, -1, -1, -1);
    __m256i codes = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_12(bytes)), spread);
    codes = _mm256_and_si256(_mm256_or_si256(codes, _mm256_slli_epi64(codes, 20)),
                             _mm256_set1_epi32(0xFFF));
    codes = _mm256_and_si256(_mm256_or_si256(codes, _mm256_slli_epi32(codes, 10)),
                             _mm256_set1_epi16(0x3F));
    return _mm256_and_si256(_mm256_or_si256(codes, _mm256_slli_epi16(codes, 5)),
                            _mm256_set1_epi8(0x07));
  } else {
    __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
    codes = _mm256_and_si256(_mm256_or_si256(codes, _mm256_slli_epi32(codes, 12)),
                             _mm256_set1_epi16(0x0F));
    return _mm256_and_si256(_mm256_or_si256(codes, _mm256_slli_epi16(codes, 6)),
                            _mm256_set1_epi8(0x03));
  }
}

}  // namespace
}  // namespace cordwood::kernels
