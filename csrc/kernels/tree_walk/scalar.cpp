// tree_walk, the reference: one walk at a time.
// Cost: two dependent loads and an unpredictable branch a level, 10 to 100 ns a tree.
#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::scalar {
namespace {

uint32_t goes_right(const WalkModel& model, uint64_t node, const uint16_t* bins) {
  const auto column = static_cast<uint32_t>(node >> CORDWOOD_WALK_COLUMN_SHIFT);
  const uint32_t bin = bins[column];
  if (((node >> CORDWOOD_WALK_CATEGORY_SHIFT) & 1u) == 0)
    return cordwood_walk_goes_right(node, bin);
  return cordwood_walk_set_goes_right(node, bin, model.set_words, model.column_set_bit[column],
                                      model.column_set_step[column]);
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  for (uint64_t walk = 0; walk < task.n_walks; ++walk) {
    const uint64_t row = task.one_row ? 0 : (task.rows != nullptr ? task.rows[walk] : walk);
    const uint16_t* bins = task.bins + row * task.n_columns;
    uint64_t place = task.starts != nullptr ? task.starts[walk] : task.start;
    while (!cordwood_walk_arrived(place)) {
      const uint64_t node = model.nodes[cordwood_walk_node(place)];
      place = cordwood_walk_next(node, place, goes_right(model, node, bins));
    }
    task.out[walk] = place;
  }
}

}  // namespace cordwood::kernels::scalar
