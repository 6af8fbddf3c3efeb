// Sixteen floats of AVX-512 as lanes; lanes_scalar.hpp says what the operations mean.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::math {
namespace {

struct Avx512Lanes {
  using Float = __m512;
  using Mask = __mmask16;
  static constexpr uint64_t kLanes = 16;

  static Float load(const float* from) noexcept { return _mm512_loadu_ps(from); }
  static Float load_some(const float* from, uint64_t count) noexcept {
    return _mm512_maskz_loadu_ps(first(count), from);
  }
  static void store(float* to, Float x) noexcept { _mm512_storeu_ps(to, x); }
  static void store_some(float* to, uint64_t count, Float x) noexcept {
    _mm512_mask_storeu_ps(to, first(count), x);
  }

  static Float all(float value) noexcept { return _mm512_set1_ps(value); }
  static Float add(Float a, Float b) noexcept { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) noexcept { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) noexcept { return _mm512_mul_ps(a, b); }
  static Float div(Float a, Float b) noexcept { return _mm512_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  static Float sqrt(Float a) noexcept { return _mm512_sqrt_ps(a); }
  static Float min(Float a, Float b) noexcept { return _mm512_min_ps(a, b); }
  static Float max(Float a, Float b) noexcept { return _mm512_max_ps(a, b); }
  static Float abs(Float a) noexcept { return _mm512_abs_ps(a); }
  static Float with_sign(Float magnitude, Float sign) noexcept {
    return _mm512_or_ps(magnitude, _mm512_and_ps(all(-0.0f), sign));
  }
  static Float negate(Float a) noexcept { return _mm512_xor_ps(all(-0.0f), a); }

  static Float round_even(Float a) noexcept { return _mm512_roundscale_ps(a, kQuiet | 0); }
  static Float floor(Float a) noexcept { return _mm512_roundscale_ps(a, kQuiet | 1); }
  static Float ceil(Float a) noexcept { return _mm512_roundscale_ps(a, kQuiet | 2); }
  static Float truncate(Float a) noexcept { return _mm512_roundscale_ps(a, kQuiet | 3); }

  static Mask less(Float a, Float b) noexcept { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask equal(Float a, Float b) noexcept { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static Mask is_nan(Float a) noexcept { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  static Float where(Mask mask, Float yes, Float no) noexcept {
    return _mm512_mask_blend_ps(mask, no, yes);
  }

  static Float scale(Float a, Float n) noexcept { return _mm512_scalef_ps(a, n); }

  static void split(Float x, Float& m, Float& e) noexcept {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i exponent =
        _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(kSqrtHalf)), 23);
    m = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(exponent, 23)));
    e = _mm512_cvtepi32_ps(exponent);
  }

 private:
  static constexpr int32_t kSqrtHalf = 0x3f3504f3;
  static constexpr int kQuiet = _MM_FROUND_NO_EXC;

  static Mask first(uint64_t count) noexcept {
    return static_cast<Mask>(count >= kLanes ? 0xffffu : (1u << count) - 1u);
  }
};

}  // namespace
}  // namespace cordwood::kernels::math
