// The scale and zero point of a range, one sequence for the vector rows. Internal linkage: each row
// compiles its own.
#pragma once

#include <math.h>

#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels {
namespace {

constexpr float kTopUnsigned = 255.0f;

/// A scale and the code that stands for zero.
struct Affine {
  float scale;
  int32_t zero;
};

[[gnu::always_inline]] inline Affine affine_of(float low, float high) noexcept {
  const float span = high - low;
  if (!(span >= kTinyScale)) return {0.0f, -128};
  const bool fits = span <= 0x1.fffffep127f;
  const float scale = fits ? span / kTopUnsigned : high / kTopUnsigned - low / kTopUnsigned;
  const float zero = nearbyintf(-low / scale);
  return {scale, static_cast<int32_t>(zero < kTopUnsigned ? zero : kTopUnsigned) - 128};
}

}  // namespace
}  // namespace cordwood::kernels
