/* One node of a walk, shared by every device: which child comes next. Plain C11. */
#ifndef CORDWOOD_KERNELS_TREE_WALK_STEP_H
#define CORDWOOD_KERNELS_TREE_WALK_STEP_H

#include <stdint.h>

#define CORDWOOD_WALK_DISTANCE_BITS 27
#define CORDWOOD_WALK_DISTANCE_MASK 0x7FFFFFFu
#define CORDWOOD_WALK_MISSING_SHIFT 27
#define CORDWOOD_WALK_RANK_SHIFT 28
#define CORDWOOD_WALK_CATEGORY_SHIFT 44
#define CORDWOOD_WALK_COLUMN_SHIFT 45
#define CORDWOOD_WALK_LEAF_COLUMN 0x7FFFFu
#define CORDWOOD_WALK_ROW_MASK 0xFFFFFFFFFFFull /* leaf: 44 bits */
#define CORDWOOD_WALK_MISSING_BIN 0xFFFFu       /* a bin's value for NaN */

static inline int cordwood_walk_is_leaf(uint64_t node) {
  return (node >> CORDWOOD_WALK_COLUMN_SHIFT) == CORDWOOD_WALK_LEAF_COLUMN;
}

/* Numeric node: right where bin > rank. NaN is the largest bin, so it goes right by itself; where it
 * goes left both sides are raised by one and the bin wraps to zero. */
static inline uint32_t cordwood_walk_goes_right(uint64_t node, uint32_t bin) {
  const uint32_t rank = (uint32_t)(node >> CORDWOOD_WALK_RANK_SHIFT) & 0xFFFFu;
  const uint32_t raise = (uint32_t)(node >> CORDWOOD_WALK_MISSING_SHIFT) & 1u;
  return ((bin + raise) & 0xFFFFu) > rank + raise ? 1u : 0u;
}

/* Category node: the bin's bit of the node's set. */
static inline uint32_t cordwood_walk_set_goes_right(uint64_t node, uint32_t bin,
                                                    const uint64_t* set_words, uint64_t first_bit,
                                                    uint32_t set_step) {
  const uint64_t rank = (node >> CORDWOOD_WALK_RANK_SHIFT) & 0xFFFFu;
  const uint64_t bit = first_bit + rank * set_step + bin;
  if (bin == CORDWOOD_WALK_MISSING_BIN)
    return 1u - ((uint32_t)(node >> CORDWOOD_WALK_MISSING_SHIFT) & 1u);
  return (uint32_t)(set_words[bit >> 6] >> (bit & 63u)) & 1u;
}

/* Distance to the next node: 1 to the left child, which is adjacent. */
static inline uint32_t cordwood_walk_distance(uint64_t node, uint32_t goes_right) {
  return goes_right ? (uint32_t)(node & CORDWOOD_WALK_DISTANCE_MASK) : 1u;
}

#endif
