/* The end of one output of a convolution (conv.hpp, docs/quantization.md). Plain C11. */
#ifndef CORDWOOD_KERNELS_CONV_STEP_H
#define CORDWOOD_KERNELS_CONV_STEP_H

#include <math.h>
#include <stdint.h>

static inline float cordwood_conv_cut(float y, float low, float high) {
  y = y > low ? y : low;
  return y < high ? y : high;
}

/* Half to even without the C library, whose rint follows the thread's mode: |y| stays below 2^22. */
static inline int32_t cordwood_conv_round(float y) {
  const float magic = 12582912.0f; /* 1.5 * 2^23 */
  return (int32_t)((y + magic) - magic);
}

static inline uint8_t cordwood_conv_code(float y, float inverse, float least, float most,
                                         int32_t zero, uint32_t flip) {
  const float cut = cordwood_conv_cut(y * inverse, least, most);
  return (uint8_t)((uint32_t)(cordwood_conv_round(cut) + zero) ^ flip);
}

#endif
