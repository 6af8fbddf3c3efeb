/* quantize_weights, innermost: one weight to a code and back, and one group's scale and zero point from
 * its range (docs/quantization.md). Plain C11, shared by every row and device. */
#ifndef CORDWOOD_KERNELS_QUANTIZE_WEIGHTS_STEP_H
#define CORDWOOD_KERNELS_QUANTIZE_WEIGHTS_STEP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/step.h"

#define CORDWOOD_WEIGHT_LARGEST 0x1.fffffep127f
#define CORDWOOD_SCALE_TINY 0x0D800000 /* bits of 2^-100: scales below it count as zero */
#define CORDWOOD_SCALE_ONE 0x3F800000

CORDWOOD_STEP int32_t cordwood_float_bits(float value) {
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

CORDWOOD_STEP float cordwood_float_of(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

CORDWOOD_STEP int cordwood_weight_is_finite(float w) {
  return w >= -CORDWOOD_WEIGHT_LARGEST && w <= CORDWOOD_WEIGHT_LARGEST;
}

CORDWOOD_STEP uint8_t cordwood_weight_code(float w, float reciprocal, float zero, float top) {
  const float code = nearbyintf(w * reciprocal) + zero;
  return (uint8_t)(code < 0.0f ? 0.0f : code > top ? top : code);
}

CORDWOOD_STEP float cordwood_weight_of(int32_t code, int32_t zero, float scale) {
  return scale * (float)(code - zero);
}

CORDWOOD_STEP float cordwood_larger(float a, float b) {
  return a > b ? a : b;
}

/* The scale, or what stands for one that is too small. A comparison of floats may trap, for which
 * compilers make branches of it: bits of positive ones are of the same order and do not. */
CORDWOOD_STEP float cordwood_scale_or(float scale, int32_t other) {
  const int32_t bits = cordwood_float_bits(scale);
  return cordwood_float_of(bits < CORDWOOD_SCALE_TINY ? other : bits);
}

CORDWOOD_STEP float cordwood_scale_inverse(float scale) {
  const int32_t bits = cordwood_float_bits(scale);
  const int32_t inverse = cordwood_float_bits(1.0f / cordwood_scale_or(scale, CORDWOOD_SCALE_ONE));
  return cordwood_float_of(bits < CORDWOOD_SCALE_TINY ? 0 : inverse);
}

/* The scale of codes whose zero stands in the middle; `above` is the largest code less the middle. */
CORDWOOD_STEP float cordwood_scale_symmetric(float low, float high, float above,
                                             float share_below) {
  return cordwood_larger(high / above, -low * share_below);
}

CORDWOOD_STEP float cordwood_scale_asymmetric(float low, float high, float top) {
  const float width = high - low;
  const float halves = high / top - low / top;
  const float whole = width / top;
  return cordwood_float_bits(width) == 0x7F800000 ? halves : whole;
}

/* The nearest float16, ties to even, of a positive number: neither 0 nor infinite. */
CORDWOOD_STEP float cordwood_scale_half(float value) {
  /* A float32 from a half up has the steps of a float16's subnormals. */
  const float subnormal = cordwood_larger((value + 0.5f) - 0.5f, 0x1p-24f);
  const uint32_t bits = (uint32_t)cordwood_float_bits(value);
  const float normal = cordwood_float_of((int32_t)((bits + 0xFFFu + (bits >> 13 & 1)) & ~0x1FFFu));
  const float rounded = value < 0x1p-14f ? subnormal : normal;
  return rounded < 65504.0f ? rounded : 65504.0f;
}

/* The code of zero of a group that reaches down to `low`. */
CORDWOOD_STEP uint8_t cordwood_scale_zero(float low, float scale, float top) {
  const float rounder = 0x1.8p23f; /* adding it leaves no room for a fraction */
  /* Where the scale is 0, so is what the lowest weight rounds to. */
  const float exact = -low / cordwood_scale_or(scale, CORDWOOD_SCALE_ONE);
  const float zero = ((exact < top ? exact : top) + rounder) - rounder;
  return (uint8_t)(int32_t)zero;
}

/* The bits of a float16 that holds just this: a scale that cordwood_scale_half gave, or 0. */
CORDWOOD_STEP uint16_t cordwood_half_bits(float scale) {
  const uint32_t bits = (uint32_t)cordwood_float_bits(scale);
  if (scale < 0x1p-14f) return (uint16_t)(int32_t)(scale * 0x1p24f);
  return (uint16_t)((bits >> 13) - (112u << 10));
}

/* The number that a float16's bits stand for: a scale, finite and not negative. */
CORDWOOD_STEP float cordwood_half_of(uint16_t half) {
  if (half < 0x400u) return (float)half * 0x1p-24f;
  return cordwood_float_of((int32_t)(((uint32_t)half + (112u << 10)) << 13));
}

#endif
