// tree_walk for processors with AVX2: eight walks side by side, in general registers.
//
// A level is some twenty instructions with two dependent loads and no branch on the data. Eight walks
// in flight hide the loads and leave no branch to mispredict but the last. Gathers of four lanes were
// a quarter slower (Zen 4: 21 ns against 16 a walk of 31 leaves, 29 against 23 at 256 leaves, 39
// against 32 at 4 000) and are far slower where microcode guards them, so there are none. A walk that
// has reached its leaf reads it again until all eight have: the line stays in L1.
#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint64_t kWalks = 8;  // in flight; sixteen gain nothing

struct Walker {
  uint64_t root;
  uint64_t node_index;
  const uint16_t* bins;
};

// Walkers past the last walk repeat it.
Walker start(const WalkTask& task, uint64_t walk) {
  const uint64_t at = walk < task.n_walks ? walk : task.n_walks - 1;
  const uint64_t root = task.roots != nullptr ? task.roots[at] : task.root;
  return {root, root, task.bins + at * task.bin_step};
}

// Kept out of the loop, which only then is unrolled.
[[gnu::noinline, gnu::cold]] uint32_t set_goes_right(const WalkModel& model, uint64_t node,
                                                     uint32_t bin) {
  const uint64_t column = node >> CORDWOOD_WALK_COLUMN_SHIFT;
  return cordwood_walk_set_goes_right(node, bin, model.set_words, model.column_set_bit[column],
                                      model.column_set_step[column]);
}

// Returns ones while the walk moves, else zero: a mask, so that no choice becomes a branch. At a leaf
// the first bin is read, to no effect.
template <bool kCategories>
[[gnu::always_inline]] inline uint64_t take_step(const WalkModel& model, Walker& walker) {
  const uint64_t node = model.nodes[walker.node_index];
  const uint64_t moves = uint64_t{cordwood_walk_is_leaf(node) != 0} - 1;
  const uint64_t column = (node >> CORDWOOD_WALK_COLUMN_SHIFT) & moves;
  const uint32_t bin = walker.bins[column];
  uint64_t right = cordwood_walk_goes_right(node, bin);
  if (kCategories && (node >> CORDWOOD_WALK_CATEGORY_SHIFT & moves & 1) != 0) {
    right = set_goes_right(model, node, bin);
  }
  const uint64_t beyond = (node & CORDWOOD_WALK_DISTANCE_MASK) - 1;  // of the left child
  walker.node_index += (1 + (beyond & (0 - right))) & moves;
  return moves;
}

uint32_t answer_of(const WalkModel& model, WalkAnswer answer, const Walker& walker) {
  return static_cast<uint32_t>(answer == WalkAnswer::kPosition
                                   ? walker.node_index - walker.root
                                   : model.nodes[walker.node_index] & CORDWOOD_WALK_ROW_MASK);
}

template <bool kCategories>
void walk(const WalkModel& model, const WalkTask& task) {
  for (uint64_t first = 0; first < task.n_walks; first += kWalks) {
    Walker walkers[kWalks];
    for (uint64_t i = 0; i < kWalks; ++i) walkers[i] = start(task, first + i);
    uint64_t moving = 1;
    while (moving != 0) {
      moving = 0;
#pragma GCC unroll 8
      for (uint64_t i = 0; i < kWalks; ++i) moving |= take_step<kCategories>(model, walkers[i]);
    }
    const uint64_t left = task.n_walks - first;
    for (uint64_t i = 0; i < kWalks && i < left; ++i) {
      task.out[first + i] = answer_of(model, task.answer, walkers[i]);
    }
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

}  // namespace cordwood::kernels::avx2
