// Vectors of AVX2 for panels.hpp and panels_f32.hpp.
#pragma once

#include <immintrin.h>

#include "kernels/qmatmul/lanes.hpp"

namespace cordwood::kernels {
namespace {

struct Avx2 {
  static constexpr uint32_t kBytes = 32;
  static constexpr bool kAffine = false;
  using Ints = Lanes<kBytes>::Ints;
  using Floats = Lanes<kBytes>::Floats;

  static Floats spread(float x) noexcept { return _mm256_set1_ps(x); }
  static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm256_fmadd_ps(a, b, c); }

  /// Eight unsigned bytes.
  static Ints widen(const uint8_t* bytes) noexcept {
    return reinterpret_cast<Ints>(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }

  using Register = __m256i;
  static __m256i load_bytes(const uint8_t* bytes) noexcept { return load<__m256i>(bytes); }
  /// Four activations for each output.
  static __m256i inputs(const int8_t* codes) noexcept {
    return _mm256_set1_epi32(load<int32_t>(codes));
  }
  static __m256i even_nibbles(__m256i bytes) noexcept {
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
  }
  static __m256i odd_nibbles(__m256i bytes) noexcept {
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  }
};

}  // namespace
}  // namespace cordwood::kernels
