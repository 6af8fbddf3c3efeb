#include "runtime/tree_walk_plan.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/tree_walk/step.h"

namespace cordwood::runtime {
namespace {

// Limits of a node's fields.
Status check_limits(const format::TreeArrays& arrays, const TreeColumns& columns) {
  if (columns.columns().size() >= CORDWOOD_WALK_LEAF_COLUMN) {
    return fail(CORDWOOD_STATUS_tree_column_invalid, "walk engine",
                "the trees need {} columns of 65534 cuts; at most {} can be numbered",
                columns.columns().size(), CORDWOOD_WALK_LEAF_COLUMN - 1);
  }
  if (arrays.right.size() > 0xFFFFFFFFull) {
    return fail(CORDWOOD_STATUS_tree_structure_invalid, "walk engine",
                "{} nodes; at most {} can be numbered", arrays.right.size(), 0xFFFFFFFFull);
  }
  for (size_t node = 0; node < arrays.right.size(); ++node) {
    if (arrays.right[node] > CORDWOOD_WALK_DISTANCE_MASK) {
      return fail(CORDWOOD_STATUS_tree_structure_invalid, "walk engine",
                  "node {} has a left subtree of {} nodes; at most {} can be skipped", node,
                  arrays.right[node] - 1, CORDWOOD_WALK_DISTANCE_MASK - 1);
    }
  }
  return {};
}

// Inner nodes on the longest path of the tree in [first, end).
uint32_t count_levels(const format::TreeArrays& arrays, uint64_t first, uint64_t end) {
  uint32_t most = 0;
  std::vector<uint32_t> right_levels;  // of right children that the path has left aside
  uint32_t level = 0;
  for (uint64_t node = first; node < end; ++node) {
    if (arrays.right[node] != 0) {
      right_levels.push_back(++level);
      most = std::max(most, level);
    } else if (!right_levels.empty()) {  // preorder goes on with the last of them
      level = right_levels.back();
      right_levels.pop_back();
    }
  }
  return most;
}

uint64_t leaf_node(uint32_t row) {
  return (uint64_t{CORDWOOD_WALK_LEAF_COLUMN} << CORDWOOD_WALK_COLUMN_SHIFT) | row;
}

uint64_t inner_node(const format::TreeArrays& arrays, uint64_t node, const NodeTest& test) {
  return uint64_t{arrays.right[node]} |
         uint64_t{arrays.missing_left[node]} << CORDWOOD_WALK_MISSING_SHIFT |
         uint64_t{test.rank} << CORDWOOD_WALK_RANK_SHIFT |
         uint64_t{test.category} << CORDWOOD_WALK_CATEGORY_SHIFT |
         uint64_t{test.column} << CORDWOOD_WALK_COLUMN_SHIFT;
}

}  // namespace

Result<WalkPlan> WalkPlan::build(const format::TreeArrays& arrays,
                                 const TreeColumns& columns) noexcept {
  return guard_memory("tables of the walk engine", [&]() -> Result<WalkPlan> {
    CORDWOOD_RETURN_IF_FAILED(check_limits(arrays, columns));
    WalkPlan plan;
    plan.nodes.resize(arrays.right.size());
    for (size_t node = 0; node < arrays.right.size(); ++node) {
      plan.nodes[node] = arrays.right[node] == 0
                             ? leaf_node(arrays.rank[node])
                             : inner_node(arrays, node, columns.test(arrays, node));
    }
    for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
      plan.roots.push_back(static_cast<uint32_t>(arrays.tree_start[tree]));
      plan.levels.push_back(
          count_levels(arrays, arrays.tree_start[tree], arrays.tree_start[tree + 1]));
      plan.most_levels = std::max(plan.most_levels, plan.levels.back());
    }
    if (!arrays.set_bits.empty()) {
      plan.set_words.assign(arrays.set_bits.size() / 8 + 1, 0);
      std::memcpy(plan.set_words.data(), arrays.set_bits.data(), arrays.set_bits.size());
    }
    for (uint32_t c = 0; c < columns.columns().size(); ++c) {
      const format::TreeColumn& source = arrays.columns[columns.file_column(c)];
      const uint32_t step = source.category_count + 1;
      plan.column_set_bit.push_back(source.first_set_bit + uint64_t{columns.first_rank(c)} * step);
      plan.column_set_step.push_back(step);
    }
    return plan;
  });
}

}  // namespace cordwood::runtime
