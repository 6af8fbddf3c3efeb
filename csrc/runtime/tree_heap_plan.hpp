// Tables of tree_heap, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "format/trees.hpp"
#include "kernels/tree_mask/tree_heap.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::runtime {

class HeapPlan {
 public:
  /// Whether tree_heap takes the trees, and reads less for a row than tree_mask.
  static bool suits(const format::TreeArrays& arrays);

  HeapPlan(const format::TreeArrays& arrays, const plan::TreeColumns& columns);

  [[nodiscard]] kernels::HeapModel model(size_t n_columns) const noexcept;

  /// Trees with those that fill up the last of tree_heap's steps.
  [[nodiscard]] size_t n_trees() const noexcept { return columns_.size() / kernels::kHeapNodes; }

  /// Turns the places that tree_heap answers with into leaves, numbered from left to right.
  void to_leaves(uint32_t* places, uint64_t n_trees) const noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return columns_.size() + ranks_.size() + leaf_of_place_.size();
  }

 private:
  void fill(const format::TreeArrays& arrays, const plan::TreeColumns& columns, uint64_t tree,
            uint64_t node, uint32_t level, uint32_t across);

  uint32_t levels_ = 0;
  AlignedVector<uint8_t> columns_;
  AlignedVector<uint8_t> ranks_;
  std::vector<uint8_t> leaf_of_place_;  ///< [n_trees][1 << levels]; empty where all trees are full
};

}  // namespace cordwood::runtime
