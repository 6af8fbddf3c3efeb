// Powers of float32: exp(y log|x|) in double, by the logarithm and the exponential that links have.
#pragma once

#include <cmath>

#include "kernels/link/step_log.h"

namespace cordwood::runtime {

/// |x|**y of a finite, positive |x| and a finite y: one rounding but for what a double loses.
inline float power_of_magnitude(double magnitude, double y) noexcept {
  const cordwood_pair log = cordwood_log({magnitude, 0.0});
  const cordwood_pair product = cordwood_product(log.hi, y);
  return static_cast<float>(cordwood_exp({product.hi, product.lo + log.lo * y}).hi);
}

/// x**y with the ends that IEEE 754 gives: 1 wherever y is 0 or x is 1, a sign where y is odd.
inline float power(float x, float y) noexcept {
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return static_cast<float>(cordwood_one_nan(NAN));
  const float magnitude = std::fabs(x);
  if (std::isinf(y)) {
    if (magnitude == 1.0f) return 1.0f;
    return (magnitude > 1.0f) == (y > 0.0f) ? INFINITY : 0.0f;
  }
  const bool whole = std::floor(y) == y;
  // From 2**24 on every float is even.
  const bool odd = whole && std::fabs(y) < 0x1p24f && std::fmod(y, 2.0f) != 0.0f;
  float result;
  if (magnitude == 0.0f || std::isinf(magnitude)) {
    result = (magnitude == 0.0f) == (y > 0.0f) ? 0.0f : INFINITY;
  } else {
    if (x < 0.0f && !whole) return static_cast<float>(cordwood_one_nan(NAN));
    result = power_of_magnitude(magnitude, y);
  }
  return std::signbit(x) && odd ? -result : result;
}

}  // namespace cordwood::runtime
