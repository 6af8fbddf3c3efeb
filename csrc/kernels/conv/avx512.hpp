// Vectors of 64 bytes for end.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/conv/conv.hpp"

namespace cordwood::kernels {
namespace {

struct Avx512 {
  static constexpr uint32_t kBytes = 64;
  static constexpr uint32_t kMostSums = 24;
  static constexpr bool kSigned = false;
  /// Sums carry their lanes' type: held as __m512i, GCC 12 keeps each of them twice in a loop.
  using Ints [[gnu::vector_size(64)]] = int32_t;
  using Floats [[gnu::vector_size(64)]] = float;

  [[gnu::always_inline]] static Floats spread(float x) noexcept { return _mm512_set1_ps(x); }
  [[gnu::always_inline]] static Floats fma(Floats a, Floats b, Floats c) noexcept {
    return _mm512_fmadd_ps(a, b, c);
  }
  [[gnu::always_inline]] static Floats cut(Floats y, float low, float high) noexcept {
    const __m512i nan_of_second = _mm512_set1_epi32(0x22);
    return _mm512_fixupimm_ps(within(y, low, high), y, nan_of_second, 0);
  }
  [[gnu::always_inline]] static Floats within(Floats y, float low, float high) noexcept {
    return _mm512_min_ps(_mm512_max_ps(y, _mm512_set1_ps(low)), _mm512_set1_ps(high));
  }
  [[gnu::always_inline]] static Ints round(Floats y) noexcept {
    return reinterpret_cast<Ints>(_mm512_cvtps_epi32(y));
  }
  [[gnu::always_inline]] static Ints widen(const uint8_t* bytes) noexcept {
    return reinterpret_cast<Ints>(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
  }
  [[gnu::always_inline]] static Ints widen_signed(const int8_t* bytes) noexcept {
    return reinterpret_cast<Ints>(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
  }
  [[gnu::always_inline]] static Floats some_floats(const float* from, uint64_t count) noexcept {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
  }
  [[gnu::always_inline]] static Ints widen_some(const uint8_t* from, uint64_t count) noexcept {
    const auto lanes = static_cast<__mmask16>((1u << count) - 1);
    return reinterpret_cast<Ints>(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, from)));
  }
  [[gnu::always_inline]] static void store_low_bytes(uint8_t* to, Ints numbers) noexcept {
    __m128i bytes = _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(numbers));
    asm("" : "+x"(bytes));  // GCC would join the store to it: twice as slow
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  }

  /// How numbers become codes, over lanes. Rounding keeps the order, so codes are cut below as bytes.
  struct CodeEnd {
    Floats inverse;
    Floats most;
    __m512i zero;   ///< 16 bits
    __m512i least;  ///< bytes
    __m512i flip;
    [[gnu::always_inline]] explicit CodeEnd(const ConvEnd& end) noexcept
        : inverse(spread(end.inverse)),
          most(spread(end.most)),
          zero(_mm512_set1_epi16(static_cast<int16_t>(end.zero))),
          least(_mm512_set1_epi8(
              static_cast<char>(_mm_cvtss_si32(_mm_set_ss(end.least)) + end.zero))),
          flip(_mm512_set1_epi8(static_cast<char>(end.flip))) {}

    /// What is too large for an integer would become the least one, as NaN does and shall.
    [[nodiscard, gnu::always_inline]] __m512i round(Floats y) const noexcept {
      return _mm512_cvtps_epi32(_mm512_min_ps(most, y * inverse));
    }
    [[nodiscard, gnu::always_inline]] __m512i words(Floats a, Floats b) const noexcept {
      return _mm512_adds_epi16(_mm512_packs_epi32(round(a), round(b)), zero);
    }
  };

  /// Codes of 16 outputs of the first n of four positions, `step` bytes apart.
  [[gnu::always_inline]] static void store_codes(uint8_t* to, uint64_t step, uint32_t n,
                                                 const Floats (&y)[4],
                                                 const CodeEnd& end) noexcept {
    __m512i bytes = _mm512_packus_epi16(end.words(y[0], y[1]), end.words(y[2], y[3]));
    bytes = _mm512_xor_si512(_mm512_max_epu8(bytes, end.least), end.flip);
    // Packing leaves four outputs of each position together.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    bytes = _mm512_permutexvar_epi32(order, bytes);
    store_quarter<0>(to, bytes);
    if (n > 1) store_quarter<1>(to + step, bytes);
    if (n > 2) store_quarter<2>(to + 2 * step, bytes);
    if (n > 3) store_quarter<3>(to + 3 * step, bytes);
  }

 private:
  template <int kQuarter>
  [[gnu::always_inline]] static void store_quarter(uint8_t* to, __m512i bytes) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_extracti32x4_epi32(bytes, kQuarter));
  }
};

}  // namespace
}  // namespace cordwood::kernels
