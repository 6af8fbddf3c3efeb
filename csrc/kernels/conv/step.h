/* The end of one output of a convolution (conv.hpp, docs/quantization.md). Plain C11. */
#ifndef CORDWOOD_KERNELS_CONV_STEP_H
#define CORDWOOD_KERNELS_CONV_STEP_H

#include <math.h>
#include <stdint.h>

/* Either sign of a zero becomes a bound of zero; NaN stays. */
static inline float cordwood_conv_cut(float y, float low, float high) {
  y = y <= low ? low : y;
  return y >= high ? high : y;
}

/* Half to even without the C library, whose rint follows the thread's mode: |y| stays below 2^22. */
static inline int32_t cordwood_conv_round(float y) {
  const float magic = 12582912.0f; /* 1.5 * 2^23 */
  return (int32_t)((y + magic) - magic);
}

static inline uint8_t cordwood_conv_code(float y, float inverse, float least, float most,
                                         int32_t zero, uint32_t flip) {
  const float exact = y * inverse;
  const float within = exact > least ? exact : least; /* NaN, which has no code, is the least */
  const int32_t code = cordwood_conv_round(within < most ? within : most) + zero;
  return (uint8_t)((uint32_t)code ^ flip);
}

#endif
