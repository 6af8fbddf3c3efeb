// Vectors of 64 bytes for end.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

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
};

}  // namespace
}  // namespace cordwood::kernels
