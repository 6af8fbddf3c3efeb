// tree_walk, the reference: one walk at a time.
// Cost: two dependent loads and an unpredictable branch a level, 10 to 100 ns a tree.
#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::scalar {
namespace {

uint32_t next_distance(const WalkModel& model, uint64_t node, const uint16_t* bins) {
  const auto column = static_cast<uint32_t>(node >> CORDWOOD_WALK_COLUMN_SHIFT);
  const uint32_t bin = bins[column];
  const bool category = ((node >> CORDWOOD_WALK_CATEGORY_SHIFT) & 1u) != 0;
  const uint32_t right = category ? cordwood_walk_set_goes_right(node, bin, model.set_words,
                                                                 model.column_set_bit[column],
                                                                 model.column_set_step[column])
                                  : cordwood_walk_goes_right(node, bin);
  return cordwood_walk_distance(node, right);
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  for (uint64_t walk = 0; walk < task.n_walks; ++walk) {
    const uint16_t* bins = task.bins + walk * task.bin_step;
    const uint32_t root = task.roots != nullptr ? task.roots[walk] : task.root;
    uint32_t position = 0;
    uint64_t node = model.nodes[root];
    while (!cordwood_walk_is_leaf(node)) {
      position += next_distance(model, node, bins);
      node = model.nodes[root + position];
    }
    task.out[walk] = task.answer == WalkAnswer::kPosition
                         ? position
                         : static_cast<uint32_t>(node & CORDWOOD_WALK_ROW_MASK);
  }
}

}  // namespace cordwood::kernels::scalar
