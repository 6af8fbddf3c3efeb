// The shape of one packed tree, as the engines that evaluate nodes see it.
#pragma once

#include <cstdint>
#include <vector>

#include "format/trees.hpp"

namespace cordwood::runtime {

/// An inner node between leaf `order` and leaf `order + 1`.
struct ShapedNode {
  static constexpr uint32_t kNone = 0xFFFFFFFFu;

  uint64_t node;        ///< in TreeArrays
  uint32_t order;       ///< in-order number
  uint32_t first_leaf;  ///< leftmost leaf below it
  uint32_t above;       ///< in-order number of the nearest ancestor to the right, or kNone
  uint32_t below;       ///< in-order number of the nearest ancestor to the left, or kNone
};

/// Inner nodes of `tree`, level by level, so that a node's neighbours seldom wait for it.
void shape_tree(const format::TreeArrays& arrays, uint64_t tree, std::vector<ShapedNode>& out);

[[nodiscard]] inline uint64_t leaf_count(const format::TreeArrays& arrays, uint64_t tree) noexcept {
  return (arrays.tree_start[tree + 1] - arrays.tree_start[tree] + 1) / 2;
}

/// Inner nodes on the longest path of `tree`.
[[nodiscard]] uint32_t longest_path(const format::TreeArrays& arrays, uint64_t tree);

/// Leaves of the largest tree; 0 without trees.
[[nodiscard]] uint64_t most_leaves(const format::TreeArrays& arrays) noexcept;

/// Row of leaf values of every leaf, tree by tree, from left to right.
[[nodiscard]] std::vector<uint32_t> leaf_rows(const format::TreeArrays& arrays);

/// The source's number of every leaf, in the same order.
[[nodiscard]] std::vector<int32_t> leaf_numbers(const format::TreeArrays& arrays);

}  // namespace cordwood::runtime
