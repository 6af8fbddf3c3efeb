#include "plan/tree_walk_plan.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/tree_walk/step.h"

namespace cordwood::plan {
namespace {

// Inner nodes between a node and its right child; arrays.right counts leaves, too.
uint64_t inner_distance(const format::TreeArrays& arrays, uint64_t node) {
  return arrays.right[node] / 2;
}

// Limits of a node's fields.
Status check_limits(const format::TreeArrays& arrays, const TreeColumns& columns) {
  if (columns.columns().size() > CORDWOOD_WALK_COLUMNS) {
    return fail(CORDWOOD_STATUS_tree_column_invalid, "walk engine",
                "the trees need {} columns of 65534 cuts; at most {} can be numbered",
                columns.columns().size(), CORDWOOD_WALK_COLUMNS);
  }
  if (arrays.right.size() > 0xFFFFFFFFull) {
    return fail(CORDWOOD_STATUS_tree_structure_invalid, "walk engine",
                "{} nodes; at most {} can be numbered", arrays.right.size(), 0xFFFFFFFFull);
  }
  for (size_t node = 0; node < arrays.right.size(); ++node) {
    if (inner_distance(arrays, node) > CORDWOOD_WALK_DISTANCE_MASK) {
      return fail(CORDWOOD_STATUS_tree_structure_invalid, "walk engine",
                  "node {} has {} inner nodes on its left; at most {} can be skipped", node,
                  inner_distance(arrays, node) - 1, CORDWOOD_WALK_DISTANCE_MASK - 1);
    }
  }
  return {};
}

// Sums up the paths to the leaves of trees, node by node in preorder.
class PathCount {
 public:
  void enter_inner() { aside_.push_back(++level_); }

  void enter_leaf() {
    most_ = std::max(most_, level_);
    sum_ += level_;
    ++leaves_;
    if (aside_.empty()) return;
    level_ = aside_.back();  // preorder goes on with the last right child that was left aside
    aside_.pop_back();
  }

  /// What is known of the tree that the last leaf has ended; the next one begins.
  WalkDepth end_tree() {
    const WalkDepth depth = {most_, is_even(sum_, leaves_, most_)};
    all_most_ = std::max(all_most_, most_);
    all_sum_ += sum_;
    all_leaves_ += leaves_;
    level_ = most_ = 0;
    sum_ = leaves_ = 0;
    return depth;
  }

  [[nodiscard]] WalkDepth all() const {
    return {all_most_, is_even(all_sum_, all_leaves_, all_most_)};
  }

 private:
  static bool is_even(uint64_t sum, uint64_t leaves, uint64_t most) {
    return 4 * sum >= 3 * leaves * most;
  }

  std::vector<uint32_t> aside_;  ///< levels of right children yet to come
  uint32_t level_ = 0;
  uint32_t most_ = 0;
  uint64_t sum_ = 0;
  uint64_t leaves_ = 0;
  uint32_t all_most_ = 0;
  uint64_t all_sum_ = 0;
  uint64_t all_leaves_ = 0;
};

uint64_t walk_node(const format::TreeArrays& arrays, uint64_t node, const NodeTest& test) {
  const auto is_leaf = [&](uint64_t child) { return uint64_t{arrays.right[child] == 0}; };
  return inner_distance(arrays, node) | is_leaf(node + 1) << CORDWOOD_WALK_LEFT_LEAF_SHIFT |
         is_leaf(node + arrays.right[node]) << CORDWOOD_WALK_RIGHT_LEAF_SHIFT |
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
    const uint64_t n_trees = arrays.attributes.n_trees;
    plan.nodes.reserve((arrays.right.size() - n_trees) / 2 + 1);
    PathCount paths;
    for (uint64_t tree = 0; tree < n_trees; ++tree) {
      const uint64_t first = arrays.tree_start[tree];
      const uint64_t end = arrays.tree_start[tree + 1];
      const uint64_t only_leaf = uint64_t{end - first == 1} << CORDWOOD_WALK_ARRIVED_SHIFT;
      plan.roots.push_back(plan.nodes.size() | only_leaf);
      for (uint64_t node = first; node < end; ++node) {
        if (arrays.right[node] == 0) {
          paths.enter_leaf();
          continue;
        }
        paths.enter_inner();
        plan.nodes.push_back(walk_node(arrays, node, columns.test(arrays, node)));
      }
      plan.depths.push_back(paths.end_tree());
    }
    plan.nodes.push_back(0);
    plan.all = paths.all();
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

}  // namespace cordwood::plan
