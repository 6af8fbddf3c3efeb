/* One activation as a byte (image_codes.hpp). Plain C11. */
#ifndef CORDWOOD_KERNELS_IMAGE_CODES_STEP_H
#define CORDWOOD_KERNELS_IMAGE_CODES_STEP_H

#include <stdint.h>

static inline uint8_t cordwood_image_code(float x, float factor, float least, float most,
                                          int32_t zero) {
  float y = x * factor;
  y = y > least ? y : least;
  y = y < most ? y : most;
  /* Half to even: adding 1.5 * 2^23 leaves no fraction. */
  return (uint8_t)((int32_t)((y + 12582912.0f) - 12582912.0f) + zero);
}

#endif
