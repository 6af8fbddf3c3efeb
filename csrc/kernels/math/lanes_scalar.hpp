// One float as a lane: the meaning of every operation that the functions of this folder are made of.
//
// min and max are comparisons, and their second operand wins where one is NaN; a fused multiply-add
// rounds once; scale rounds once. Every other lanes_<isa>.hpp has the same operations on more lanes.
#pragma once

#include <math.h>

#include <cstdint>
#include <cstring>

namespace cordwood::kernels::math {
namespace {

struct ScalarLanes {
  using Float = float;
  using Mask = bool;
  static constexpr uint64_t kLanes = 1;

  static Float load(const float* from) noexcept { return *from; }
  static Float load_some(const float* from, uint64_t count) noexcept {
    return count == 0 ? 0.0f : *from;
  }
  static void store(float* to, Float x) noexcept { *to = x; }
  static void store_some(float* to, uint64_t count, Float x) noexcept {
    if (count != 0) *to = x;
  }

  static Float all(float value) noexcept { return value; }
  static Float add(Float a, Float b) noexcept { return a + b; }
  static Float sub(Float a, Float b) noexcept { return a - b; }
  static Float mul(Float a, Float b) noexcept { return a * b; }
  static Float div(Float a, Float b) noexcept { return a / b; }
  static Float fma(Float a, Float b, Float c) noexcept { return fmaf(a, b, c); }
  static Float sqrt(Float a) noexcept { return sqrtf(a); }
  static Float min(Float a, Float b) noexcept { return a < b ? a : b; }
  static Float max(Float a, Float b) noexcept { return a > b ? a : b; }
  static Float abs(Float a) noexcept { return fabsf(a); }
  /// A magnitude that is not negative, with the sign bit of another number.
  static Float with_sign(Float magnitude, Float sign) noexcept {
    return copysignf(magnitude, sign);
  }
  static Float negate(Float a) noexcept { return -a; }

  static Float round_even(Float a) noexcept { return rintf(a); }
  static Float floor(Float a) noexcept { return floorf(a); }
  static Float ceil(Float a) noexcept { return ceilf(a); }
  static Float truncate(Float a) noexcept { return truncf(a); }

  static Mask less(Float a, Float b) noexcept { return a < b; }
  static Mask equal(Float a, Float b) noexcept { return a == b; }
  static Mask is_nan(Float a) noexcept { return a != a; }
  static Float where(Mask mask, Float yes, Float no) noexcept { return mask ? yes : no; }

  /// a * 2^n for a whole n of at most 252 either way, rounded once: of the two steps the first is
  /// exact where a lies in [1/4, 4].
  static Float scale(Float a, Float n) noexcept {
    const int32_t whole = n == n ? static_cast<int32_t>(n) : 0;  // a NaN is in a, too
    const int32_t half = whole >> 1;
    return a * power_of_two(half) * power_of_two(whole - half);
  }

  /// A normal x above 0 as m * 2^e with m from sqrt(1/2) to sqrt(2).
  static void split(Float x, Float& m, Float& e) noexcept {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = static_cast<int32_t>(bits - kSqrtHalf) >> 23;
    bits -= static_cast<uint32_t>(exponent) << 23;
    std::memcpy(&m, &bits, sizeof m);
    e = static_cast<float>(exponent);
  }

 private:
  static constexpr uint32_t kSqrtHalf = 0x3f3504f3;

  static Float power_of_two(int32_t n) noexcept {
    const int32_t bits = (n + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return power;
  }
};

}  // namespace
}  // namespace cordwood::kernels::math
