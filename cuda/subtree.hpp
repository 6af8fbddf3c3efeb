// A subtree of the packed trees, as plans of walks hand it around.
#pragma once

#include <cstdint>

#include "format/trees.hpp"
#include "plan/tree_shape.hpp"

namespace cordwood::cuda {

struct Subtree {
  uint64_t node;        ///< its root, in TreeArrays
  uint64_t end;         ///< of its nodes
  uint32_t first_leaf;  ///< counted from the tree's left

  static Subtree of_tree(const format::TreeArrays& arrays, uint64_t tree) {
    return {arrays.tree_start[tree], arrays.tree_start[tree + 1], 0};
  }
  [[nodiscard]] bool is_leaf(const format::TreeArrays& arrays) const {
    return arrays.right[node] == 0;
  }
  /// Of an inner node.
  [[nodiscard]] Subtree left(const format::TreeArrays& arrays) const {
    return {node + 1, node + arrays.right[node], first_leaf};
  }
  [[nodiscard]] Subtree right(const format::TreeArrays& arrays) const {
    const uint32_t distance = arrays.right[node];
    return {node + distance, end, first_leaf + plan::leaves_left_of(distance)};
  }
};

}  // namespace cordwood::cuda
