/* One value to its bin: the innermost step of tree_bin, shared with the freestanding reader.
 * Include with CORDWOOD_BIN_FLOAT and CORDWOOD_BIN_NAME defined. */
#ifndef CORDWOOD_BIN_FLOAT
#error "define CORDWOOD_BIN_FLOAT and CORDWOOD_BIN_NAME before including tree_bin/step.h"
#endif

#ifndef CORDWOOD_KERNELS_TREE_BIN_KEY
#define CORDWOOD_KERNELS_TREE_BIN_KEY
/* The bits of a float32, or the upper half of a float64, as a signed number that orders as the float
 * does. Of two float64 with equal keys either may be the larger. -0.0 must have become 0.0 before. */
static inline int32_t cordwood_bin_key(uint32_t bits) {
  return (int32_t)((bits >> 31) != 0 ? bits ^ 0x7FFFFFFFu : bits);
}
#endif

/* Rank of x among the cuts: one comparison a level, no branch on the data. NaN ranks 0. */
static inline uint32_t CORDWOOD_BIN_NAME(rank)(const CORDWOOD_BIN_FLOAT* levels, uint32_t depth,
                                               CORDWOOD_BIN_FLOAT x) {
  uint32_t slot = 1;
  for (uint32_t level = 0; level < depth; ++level) slot = 2 * slot + (x > levels[slot] ? 1u : 0u);
  return slot - (1u << depth);
}

/* Whole part of x: of magnitudes from 2^52 on every double is whole already. */
static inline CORDWOOD_BIN_FLOAT CORDWOOD_BIN_NAME(truncate)(CORDWOOD_BIN_FLOAT x) {
  if (!(x > (CORDWOOD_BIN_FLOAT)-4503599627370496.0 && x < (CORDWOOD_BIN_FLOAT)4503599627370496.0))
    return x;
  return (CORDWOOD_BIN_FLOAT)(int64_t)x;
}

static inline CORDWOOD_BIN_FLOAT CORDWOOD_BIN_NAME(code)(uint32_t rule, CORDWOOD_BIN_FLOAT x) {
  CORDWOOD_BIN_FLOAT whole;
  if (rule == CORDWOOD_CATEGORY_EXACT) return x;
  whole = CORDWOOD_BIN_NAME(truncate)(x);
  if (rule == CORDWOOD_CATEGORY_FLOOR && whole > x) whole -= (CORDWOOD_BIN_FLOAT)1;
  return whole;
}
