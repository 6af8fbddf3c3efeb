/* One code of a packed panel (layout: qmatmul.hpp). Plain C11. */
#ifndef CORDWOOD_KERNELS_QMATMUL_STEP_H
#define CORDWOOD_KERNELS_QMATMUL_STEP_H

#include <stdint.h>

/* Code at byte `place` (0 to 127) of a step, counted from where `steps` begins. */
static inline uint32_t cordwood_qmatmul_code(const uint8_t* steps, uint32_t bits, uint64_t step,
                                             uint32_t place) {
  const uint8_t* column = steps + place;
  if (bits == 8) return column[step * 128];
  if (bits == 4) return ((uint32_t)column[step / 2 * 128] >> (step % 2 * 4)) & 15u;
  if (bits == 2) return ((uint32_t)column[step / 4 * 128] >> (step % 4 * 2)) & 3u;
  const uint8_t* eight =
      column + step / 8 * 3 * 128; /* 3 bits: two rows of low bits, one of high */
  const uint64_t within = step % 8;
  const uint32_t low = ((uint32_t)eight[within / 4 * 128] >> (within % 4 * 2)) & 3u;
  return low | (((uint32_t)eight[256] >> within) & 1u) << 2;
}

#endif
