// Tables of walks over subtrees of three levels, built from the packed trees.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/walk_sectors.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::cuda {

struct SectorPlan {
  std::vector<SectorNodes> records;
  std::vector<uint32_t> leaves;
  std::vector<uint32_t> roots;
  std::vector<uint32_t>
      leaf_order;  ///< of all trees: number from the left, in the order of the walk
  std::vector<WalkColumn> columns;

  /// Nothing where the trees have category sets, too many columns, or a tree too many records or leaves.
  /// May throw std::bad_alloc.
  static std::optional<SectorPlan> build(const format::TreeArrays& arrays,
                                         const plan::TreeColumns& columns, uint64_t block_bytes);
};

}  // namespace cordwood::cuda
