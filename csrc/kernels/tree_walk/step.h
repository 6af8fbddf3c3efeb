/* One node of a walk, shared by every device: which child comes next. Plain C11. */
#ifndef CORDWOOD_KERNELS_TREE_WALK_STEP_H
#define CORDWOOD_KERNELS_TREE_WALK_STEP_H

#include <stdint.h>

#include "base/step.h"

#define CORDWOOD_WALK_DISTANCE_MASK 0x3FFFFFFu
#define CORDWOOD_WALK_LEFT_LEAF_SHIFT 26
#define CORDWOOD_WALK_RIGHT_LEAF_SHIFT 27
#define CORDWOOD_WALK_MISSING_SHIFT 28
#define CORDWOOD_WALK_RANK_SHIFT 29
#define CORDWOOD_WALK_CATEGORY_SHIFT 45
#define CORDWOOD_WALK_COLUMN_SHIFT 46
#define CORDWOOD_WALK_COLUMNS 0x40000u    /* columns that a node can name */
#define CORDWOOD_WALK_MISSING_BIN 0xFFFFu /* a bin's value for NaN */

/* A place in a tree: bits 0-31 the node, among the inner nodes of all trees; bits 32-62 the leaves to
 * the left of it; bit 63 set once a leaf is reached, whose number bits 32-62 then are. */
#define CORDWOOD_WALK_LEAF_SHIFT 32
#define CORDWOOD_WALK_ARRIVED_SHIFT 63

CORDWOOD_STEP uint32_t cordwood_walk_node(uint64_t place) {
  return (uint32_t)place;
}

CORDWOOD_STEP uint32_t cordwood_walk_leaf(uint64_t place) {
  return (uint32_t)(place >> CORDWOOD_WALK_LEAF_SHIFT) & 0x7FFFFFFFu;
}

CORDWOOD_STEP uint32_t cordwood_walk_arrived(uint64_t place) {
  return (uint32_t)(place >> CORDWOOD_WALK_ARRIVED_SHIFT);
}

/* Numeric node: right where bin > rank. NaN is the largest bin, so it goes right by itself; where it
 * goes left both sides are raised by one and the bin wraps to zero. */
CORDWOOD_STEP uint32_t cordwood_walk_goes_right(uint64_t node, uint32_t bin) {
  const uint32_t rank = (uint32_t)(node >> CORDWOOD_WALK_RANK_SHIFT) & 0xFFFFu;
  const uint32_t raise = (uint32_t)(node >> CORDWOOD_WALK_MISSING_SHIFT) & 1u;
  return ((bin + raise) & 0xFFFFu) > rank + raise ? 1u : 0u;
}

/* Category node: the bin's bit of the node's set. */
CORDWOOD_STEP uint32_t cordwood_walk_set_goes_right(uint64_t node, uint32_t bin,
                                                    const uint64_t* set_words, uint64_t first_bit,
                                                    uint32_t set_step) {
  const uint64_t rank = (node >> CORDWOOD_WALK_RANK_SHIFT) & 0xFFFFu;
  const uint64_t bit = first_bit + rank * set_step + bin;
  if (bin == CORDWOOD_WALK_MISSING_BIN)
    return 1u - ((uint32_t)(node >> CORDWOOD_WALK_MISSING_SHIFT) & 1u);
  return (uint32_t)(set_words[bit >> 6] >> (bit & 63u)) & 1u;
}

/* The child's place. The left child is the next inner node; the right one comes after as many inner
 * nodes, and has as many leaves to its left, as the distance says. */
CORDWOOD_STEP uint64_t cordwood_walk_next(uint64_t node, uint64_t place, uint32_t goes_right) {
  const uint64_t distance = node & CORDWOOD_WALK_DISTANCE_MASK;
  const uint64_t moved = goes_right ? distance | distance << CORDWOOD_WALK_LEAF_SHIFT : 1u;
  const uint64_t leaf = (node >> (CORDWOOD_WALK_LEFT_LEAF_SHIFT + goes_right)) & 1u;
  return (place + moved) | leaf << CORDWOOD_WALK_ARRIVED_SHIFT;
}

#endif
