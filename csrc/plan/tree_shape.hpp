// The shape of one packed tree, as the engines that evaluate nodes see it.
#pragma once

#include <cstdint>
#include <vector>

#include "format/trees.hpp"

namespace cordwood::plan {

/// An inner node between leaf `order` and leaf `order + 1`.
struct ShapedNode {
  static constexpr uint32_t kNone = 0xFFFFFFFFu;

  uint64_t node;   ///< in TreeArrays
  uint32_t order;  ///< in-order number
  uint32_t above;  ///< in-order number of the nearest ancestor to the right, or kNone
  uint32_t below;  ///< in-order number of the nearest ancestor to the left, or kNone
};

/// Inner nodes of `tree`, level by level, so that a node's neighbours seldom wait for it.
void shape_tree(const format::TreeArrays& arrays, uint64_t tree, std::vector<ShapedNode>& out);

[[nodiscard]] inline uint64_t leaf_count(const format::TreeArrays& arrays, uint64_t tree) noexcept {
  return (arrays.tree_start[tree + 1] - arrays.tree_start[tree] + 1) / 2;
}

/// Leaves of a left subtree whose sibling lies `distance` nodes from their parent.
[[nodiscard]] inline uint32_t leaves_left_of(uint32_t distance) noexcept {
  return distance / 2;
}

/// Calls `visit(node, first_leaf, last_leaf)` with each inner node of `tree` and the leaves of its left
/// subtree.
template <class Visit>
void visit_inner(const format::TreeArrays& arrays, uint64_t tree, Visit&& visit) {
  uint32_t leaves = 0;
  for (uint64_t node = arrays.tree_start[tree]; node < arrays.tree_start[tree + 1]; ++node) {
    if (arrays.right[node] == 0) {
      ++leaves;
    } else {
      visit(node, leaves, leaves + leaves_left_of(arrays.right[node]) - 1);
    }
  }
}

/// Inner nodes on the longest path of `tree`.
[[nodiscard]] uint32_t longest_path(const format::TreeArrays& arrays, uint64_t tree);

/// Leaves of the largest tree; 0 without trees.
[[nodiscard]] uint64_t most_leaves(const format::TreeArrays& arrays) noexcept;

/// Row of leaf values of every leaf, tree by tree, from left to right.
[[nodiscard]] std::vector<uint32_t> leaf_rows(const format::TreeArrays& arrays);

/// Values of every leaf, in the same order: [n_leaves][leaf_width] of the accumulate type.
template <class Float>
[[nodiscard]] std::vector<Float> leaf_values(const format::TreeArrays& arrays) {
  const uint64_t width = arrays.attributes.leaf_width;
  std::vector<Float> values;
  for (const uint32_t row : leaf_rows(arrays)) {
    for (uint64_t w = 0; w < width; ++w) {
      values.push_back(static_cast<Float>(arrays.leaf_values[row * width + w]));
    }
  }
  return values;
}

/// Where the leaves of each tree begin among all.
[[nodiscard]] std::vector<uint32_t> first_leaves(const format::TreeArrays& arrays);

/// The source's number of every leaf, in the same order.
[[nodiscard]] std::vector<int32_t> leaf_numbers(const format::TreeArrays& arrays);

}  // namespace cordwood::plan
