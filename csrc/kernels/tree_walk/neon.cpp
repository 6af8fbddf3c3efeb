// tree_walk for AArch64: eight walks side by side, in general registers.
//
// There are no gathers, and a lane of a vector costs as much to load as a walk in general registers, so
// that vectors would only add moves. A level is 25 instructions with two dependent loads and no branch on the
// data; eight walks in flight hide the loads, and their places and rows take sixteen of the thirty-one
// registers. A walk that has reached its leaf reads the node there again until all eight have:
// the line stays in the first cache level.
#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::neon {
namespace {

constexpr uint64_t kWalks = 8;  // in flight; sixteen would spill

struct Walker {
  uint64_t place;
  const uint16_t* bins;
};

// Walkers past the last walk repeat it.
Walker start(const WalkTask& task, uint64_t walk) {
  const uint64_t at = walk < task.n_walks ? walk : task.n_walks - 1;
  const uint64_t row = task.one_row ? 0 : (task.rows != nullptr ? task.rows[at] : at);
  return {task.starts != nullptr ? task.starts[at] : task.start, task.bins + row * task.n_columns};
}

// Kept out of the loop, which only then is unrolled.
[[gnu::noinline, gnu::cold]] uint32_t set_goes_right(const WalkModel& model, uint64_t node,
                                                     uint32_t bin) {
  const uint64_t column = node >> CORDWOOD_WALK_COLUMN_SHIFT;
  return cordwood_walk_set_goes_right(node, bin, model.set_words, model.column_set_bit[column],
                                      model.column_set_step[column]);
}

// Returns ones while the walk moves, else zero: a mask, so that no choice becomes a branch.
template <bool kCategories>
[[gnu::always_inline]] inline uint64_t take_step(const WalkModel& model, Walker& walker) {
  const uint64_t place = walker.place;
  const uint64_t moves = uint64_t{cordwood_walk_arrived(place)} - 1;
  // The place of an arrived walk may lie past the columns of another tree's node: it reads none.
  const uint64_t node = model.nodes[cordwood_walk_node(place)] & moves;
  const uint32_t bin = walker.bins[node >> CORDWOOD_WALK_COLUMN_SHIFT];
  uint64_t right = cordwood_walk_goes_right(node, bin);
  if (kCategories && (node >> CORDWOOD_WALK_CATEGORY_SHIFT & 1) != 0) {
    right = set_goes_right(model, node, bin);
  }
  const uint64_t distance = node & CORDWOOD_WALK_DISTANCE_MASK;
  const uint64_t both = distance | distance << CORDWOOD_WALK_LEAF_SHIFT;
  const uint64_t moved = 1 + ((both - 1) & (0 - right));
  const uint64_t leaf = node >> (CORDWOOD_WALK_LEFT_LEAF_SHIFT + right);
  walker.place = (place + (moved & moves)) | leaf << CORDWOOD_WALK_ARRIVED_SHIFT;
  return moves;
}

template <bool kCategories>
void walk(const WalkModel& model, const WalkTask& task) {
  for (uint64_t first = 0; first < task.n_walks; first += kWalks) {
    Walker walkers[kWalks];
    for (uint64_t i = 0; i < kWalks; ++i) walkers[i] = start(task, first + i);
    uint64_t moving;
    do {  // a while loop would make GCC forget to unroll the inner one
      moving = 0;
#pragma GCC unroll 8
      for (uint64_t i = 0; i < kWalks; ++i) moving |= take_step<kCategories>(model, walkers[i]);
    } while (moving != 0);
    const uint64_t left = task.n_walks - first;
    for (uint64_t i = 0; i < kWalks && i < left; ++i) task.out[first + i] = walkers[i].place;
  }
}

}  // namespace

// The test for a category costs a seventh; without sets there is none to find.
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  if (model.set_words == nullptr) {
    walk<false>(model, task);
  } else {
    walk<true>(model, task);
  }
}

}  // namespace cordwood::kernels::neon
