/* Which positions of an axis a window meets (pool.hpp). Plain C11. */
#ifndef CORDWOOD_KERNELS_POOL_STEP_H
#define CORDWOOD_KERNELS_POOL_STEP_H

#include <stdint.h>

/* Positions first, first + dilation, ... `count` of them. */
struct cordwood_pool_range {
  uint32_t first;
  uint32_t count;
};

static inline struct cordwood_pool_range cordwood_pool_meet(uint32_t at, uint32_t size,
                                                            uint32_t kernel, uint32_t stride,
                                                            uint32_t dilation, uint32_t before) {
  const int64_t start = (int64_t)at * stride - before;
  const int64_t step = dilation;
  /* Kernel positions that lie before the image, and before its end. */
  const int64_t cut = start < 0 ? (-start + step - 1) / step : 0;
  int64_t end = start < size ? (size - start + step - 1) / step : 0;
  end = end < kernel ? end : kernel;
  struct cordwood_pool_range range = {0, 0};
  if (end > cut) {
    range.first = (uint32_t)(start + cut * step);
    range.count = (uint32_t)(end - cut);
  }
  return range;
}

#endif
