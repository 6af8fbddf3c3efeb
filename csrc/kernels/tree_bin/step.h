/* One value to its bin: the innermost step of tree_bin, shared with the freestanding reader.
 * Include with CORDWOOD_BIN_FLOAT and CORDWOOD_BIN_NAME defined. */
#ifndef CORDWOOD_BIN_FLOAT
#error "define CORDWOOD_BIN_FLOAT and CORDWOOD_BIN_NAME before including tree_bin/step.h"
#endif

#include "base/step.h"

#ifndef CORDWOOD_KERNELS_TREE_BIN_KEY
#define CORDWOOD_KERNELS_TREE_BIN_KEY
/* The bits of a float32, or the upper half of a float64, as a signed number that orders as the float
 * does. Of two float64 with equal keys either may be the larger. -0.0 must have become 0.0 before. */
CORDWOOD_STEP int32_t cordwood_bin_key(uint32_t bits) {
  return (int32_t)((bits >> 31) != 0 ? bits ^ 0x7FFFFFFFu : bits);
}
#endif

/* Rank of x among the cuts: one comparison a level, no branch on the data. NaN ranks 0. */
CORDWOOD_STEP uint32_t CORDWOOD_BIN_NAME(rank)(const CORDWOOD_BIN_FLOAT* levels, uint32_t depth,
                                               CORDWOOD_BIN_FLOAT x) {
  uint32_t slot = 1;
  for (uint32_t level = 0; level < depth; ++level) slot = 2 * slot + (x > levels[slot] ? 1u : 0u);
  return slot - (1u << depth);
}

/* Whole part of x: of magnitudes from 2^52 on every double is whole already. */
CORDWOOD_STEP CORDWOOD_BIN_FLOAT CORDWOOD_BIN_NAME(truncate)(CORDWOOD_BIN_FLOAT x) {
  if (!(x > (CORDWOOD_BIN_FLOAT)-4503599627370496.0 && x < (CORDWOOD_BIN_FLOAT)4503599627370496.0))
    return x;
  return (CORDWOOD_BIN_FLOAT)(int64_t)x;
}

CORDWOOD_STEP CORDWOOD_BIN_FLOAT CORDWOOD_BIN_NAME(code)(uint32_t rule, CORDWOOD_BIN_FLOAT x) {
  CORDWOOD_BIN_FLOAT whole;
  if (rule == CORDWOOD_CATEGORY_EXACT) return x;
  whole = CORDWOOD_BIN_NAME(truncate)(x);
  if (rule == CORDWOOD_CATEGORY_FLOOR && whole > x) whole -= (CORDWOOD_BIN_FLOAT)1;
  return whole;
}

/* The bin of x in a column, whose fields kernels/tree_bin/tree_bin.hpp explains. */
CORDWOOD_STEP uint32_t CORDWOOD_BIN_NAME(bin)(const CORDWOOD_BIN_FLOAT* levels,
                                              const CORDWOOD_BIN_FLOAT* sorted, uint32_t category,
                                              uint32_t depth, uint32_t count, uint32_t missing_bin,
                                              uint32_t other_bin, uint32_t rule, double zero_band,
                                              CORDWOOD_BIN_FLOAT x) {
  const CORDWOOD_BIN_FLOAT magnitude = x < 0 ? -x : x;
  CORDWOOD_BIN_FLOAT value;
  uint32_t position;
  if (x != x || (double)magnitude <= zero_band) return missing_bin;
  if (category == 0) return CORDWOOD_BIN_NAME(rank)(levels, depth, x);
  value = CORDWOOD_BIN_NAME(code)(rule, x);
  position = CORDWOOD_BIN_NAME(rank)(levels, depth, value);
  return position < count && sorted[position] == value ? position : other_bin;
}
