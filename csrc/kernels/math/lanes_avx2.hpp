// Eight floats of AVX2 as lanes; lanes_scalar.hpp says what the operations mean.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::math {
namespace {

struct Avx2Lanes {
  using Float = __m256;
  using Mask = __m256;
  static constexpr uint64_t kLanes = 8;

  static Float load(const float* from) noexcept { return _mm256_loadu_ps(from); }
  static Float load_some(const float* from, uint64_t count) noexcept {
    return _mm256_maskload_ps(from, first(count));
  }
  static void store(float* to, Float x) noexcept { _mm256_storeu_ps(to, x); }
  static void store_some(float* to, uint64_t count, Float x) noexcept {
    _mm256_maskstore_ps(to, first(count), x);
  }

  static Float all(float value) noexcept { return _mm256_set1_ps(value); }
  static Float add(Float a, Float b) noexcept { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) noexcept { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) noexcept { return _mm256_mul_ps(a, b); }
  static Float div(Float a, Float b) noexcept { return _mm256_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  static Float sqrt(Float a) noexcept { return _mm256_sqrt_ps(a); }
  static Float min(Float a, Float b) noexcept { return _mm256_min_ps(a, b); }
  static Float max(Float a, Float b) noexcept { return _mm256_max_ps(a, b); }
  static Float abs(Float a) noexcept { return _mm256_andnot_ps(all(-0.0f), a); }
  static Float with_sign(Float magnitude, Float sign) noexcept {
    return _mm256_or_ps(magnitude, _mm256_and_ps(all(-0.0f), sign));
  }
  static Float negate(Float a) noexcept { return _mm256_xor_ps(all(-0.0f), a); }

  static Float round_even(Float a) noexcept { return _mm256_round_ps(a, kQuiet | 0); }
  static Float floor(Float a) noexcept { return _mm256_round_ps(a, kQuiet | 1); }
  static Float ceil(Float a) noexcept { return _mm256_round_ps(a, kQuiet | 2); }
  static Float truncate(Float a) noexcept { return _mm256_round_ps(a, kQuiet | 3); }

  static Mask less(Float a, Float b) noexcept { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Mask equal(Float a, Float b) noexcept { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static Mask is_nan(Float a) noexcept { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
  static Float where(Mask mask, Float yes, Float no) noexcept {
    return _mm256_blendv_ps(no, yes, mask);
  }

  static Float scale(Float a, Float n) noexcept {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return mul(mul(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
  }

  static void split(Float x, Float& m, Float& e) noexcept {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i exponent =
        _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(kSqrtHalf)), 23);
    m = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23)));
    e = _mm256_cvtepi32_ps(exponent);
  }

 private:
  static constexpr int32_t kSqrtHalf = 0x3f3504f3;
  static constexpr int kQuiet = _MM_FROUND_NO_EXC;

  static Float power_of_two(__m256i n) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static __m256i first(uint64_t count) noexcept {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace cordwood::kernels::math
