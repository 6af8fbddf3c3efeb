// Tables of the evaluation of whole trees, built from the packed trees.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/slice_trees.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::cuda {

struct SlicePlan {
  std::vector<SliceColumn> columns;
  std::vector<uint32_t> sets;
  std::vector<SliceNode> nodes;
  std::vector<uint32_t> first_node;
  uint32_t n_words = 0;
  uint32_t most_slots = 0;
  SliceShape shape{};

  /// For trees of byte columns; nothing where they are too large, or where their columns have too many
  /// words for the memory of a block. May throw std::bad_alloc.
  static std::optional<SlicePlan> build(const format::TreeArrays& arrays,
                                        const plan::TreeColumns& columns, uint64_t block_bytes);
};

}  // namespace cordwood::cuda
