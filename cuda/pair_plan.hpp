// Tables of walks over pairs of siblings, built from the packed trees.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/walk_pairs.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::cuda {

struct PairPlan {
  std::vector<PairNode> nodes;
  std::vector<uint32_t> leaf;
  std::vector<uint32_t> roots;
  std::vector<uint32_t> levels;
  std::vector<WalkColumn> columns;

  /// Nothing where the trees have category sets, or too many columns or nodes. May throw
  /// std::bad_alloc.
  static std::optional<PairPlan> build(const format::TreeArrays& arrays,
                                       const plan::TreeColumns& columns, uint64_t block_bytes);
};

}  // namespace cordwood::cuda
