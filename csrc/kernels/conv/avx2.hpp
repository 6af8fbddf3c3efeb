// Vectors of 32 bytes for end.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace cordwood::kernels {
namespace {

struct Avx2 {
  static constexpr uint32_t kBytes = 32;
  static constexpr uint32_t kMostSums = 12;
  static constexpr bool kSigned = false;
  using Ints [[gnu::vector_size(32)]] = int32_t;
  using Floats [[gnu::vector_size(32)]] = float;

  [[gnu::always_inline]] static Floats spread(float x) noexcept { return _mm256_set1_ps(x); }
  [[gnu::always_inline]] static Floats fma(Floats a, Floats b, Floats c) noexcept {
    return _mm256_fmadd_ps(a, b, c);
  }
  [[gnu::always_inline]] static Floats cut(Floats y, float low, float high) noexcept {
    const __m256 least = _mm256_set1_ps(low);
    const __m256 most = _mm256_set1_ps(high);
    y = _mm256_blendv_ps(y, least, _mm256_cmp_ps(y, least, _CMP_LE_OQ));
    return _mm256_blendv_ps(y, most, _mm256_cmp_ps(y, most, _CMP_GE_OQ));
  }
  [[gnu::always_inline]] static Floats within(Floats y, float low, float high) noexcept {
    return _mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(low)), _mm256_set1_ps(high));
  }
  [[gnu::always_inline]] static Ints round(Floats y) noexcept {
    return reinterpret_cast<Ints>(_mm256_cvtps_epi32(y));
  }
  [[gnu::always_inline]] static Ints widen(const uint8_t* bytes) noexcept {
    return reinterpret_cast<Ints>(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }
  [[gnu::always_inline]] static Ints widen_signed(const int8_t* bytes) noexcept {
    return reinterpret_cast<Ints>(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }
  [[gnu::always_inline]] static void store_low_bytes(uint8_t* to, Ints numbers) noexcept {
    const __m256i low =
        _mm256_shuffle_epi8(reinterpret_cast<__m256i>(numbers),
                            _mm256_broadcastsi128_si256(_mm_cvtsi32_si128(0x0C080400)));
    const int32_t halves[2] = {_mm256_extract_epi32(low, 0), _mm256_extract_epi32(low, 4)};
    std::memcpy(to, halves, sizeof halves);
  }
  /// Products of the low halves of lanes; the high halves are zero or copies of a sign.
  [[gnu::always_inline]] static Ints add_small(Ints sum, Ints a, Ints b) noexcept {
    return sum + reinterpret_cast<Ints>(
                     _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
  }
};

}  // namespace
}  // namespace cordwood::kernels
