// Four floats of NEON as lanes; lanes_scalar.hpp says what the operations mean. vminq and vmaxq hold
// NaN for the least and the largest, so min and max are a comparison and a choice here.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace cordwood::kernels::math {
namespace {

struct NeonLanes {
  using Float = float32x4_t;
  using Mask = uint32x4_t;
  static constexpr uint64_t kLanes = 4;

  static Float load(const float* from) noexcept { return vld1q_f32(from); }
  static Float load_some(const float* from, uint64_t count) noexcept {
    float some[kLanes] = {};
    std::memcpy(some, from, (count < kLanes ? count : kLanes) * sizeof(float));
    return vld1q_f32(some);
  }
  static void store(float* to, Float x) noexcept { vst1q_f32(to, x); }
  static void store_some(float* to, uint64_t count, Float x) noexcept {
    float some[kLanes];
    vst1q_f32(some, x);
    std::memcpy(to, some, (count < kLanes ? count : kLanes) * sizeof(float));
  }

  static Float all(float value) noexcept { return vdupq_n_f32(value); }
  static Float add(Float a, Float b) noexcept { return vaddq_f32(a, b); }
  static Float sub(Float a, Float b) noexcept { return vsubq_f32(a, b); }
  static Float mul(Float a, Float b) noexcept { return vmulq_f32(a, b); }
  static Float div(Float a, Float b) noexcept { return vdivq_f32(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return vfmaq_f32(c, a, b); }
  static Float sqrt(Float a) noexcept { return vsqrtq_f32(a); }
  static Float min(Float a, Float b) noexcept { return where(vcltq_f32(a, b), a, b); }
  static Float max(Float a, Float b) noexcept { return where(vcgtq_f32(a, b), a, b); }
  static Float abs(Float a) noexcept { return vabsq_f32(a); }
  static Float with_sign(Float magnitude, Float sign) noexcept {
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
  }
  static Float negate(Float a) noexcept { return vnegq_f32(a); }

  static Float round_even(Float a) noexcept { return vrndnq_f32(a); }
  static Float floor(Float a) noexcept { return vrndmq_f32(a); }
  static Float ceil(Float a) noexcept { return vrndpq_f32(a); }
  static Float truncate(Float a) noexcept { return vrndq_f32(a); }

  static Mask less(Float a, Float b) noexcept { return vcltq_f32(a, b); }
  static Mask equal(Float a, Float b) noexcept { return vceqq_f32(a, b); }
  static Mask is_nan(Float a) noexcept { return vmvnq_u32(vceqq_f32(a, a)); }
  static Float where(Mask mask, Float yes, Float no) noexcept { return vbslq_f32(mask, yes, no); }

  static Float scale(Float a, Float n) noexcept {
    const int32x4_t whole = vcvtq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    return mul(mul(a, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
  }

  static void split(Float x, Float& m, Float& e) noexcept {
    const int32x4_t bits = vreinterpretq_s32_f32(x);
    const int32x4_t exponent = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(kSqrtHalf)), 23);
    m = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(exponent, 23)));
    e = vcvtq_f32_s32(exponent);
  }

 private:
  static constexpr int32_t kSqrtHalf = 0x3f3504f3;

  static Float power_of_two(int32x4_t n) noexcept {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
  }
};

}  // namespace
}  // namespace cordwood::kernels::math
