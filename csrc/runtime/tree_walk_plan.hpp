// Tables of tree_walk, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "runtime/aligned.hpp"
#include "runtime/tree_columns.hpp"

namespace cordwood::runtime {

struct WalkPlan {
  AlignedVector<uint64_t> nodes;
  std::vector<uint32_t> roots;   ///< [n_trees]
  std::vector<uint32_t> levels;  ///< [n_trees] inner nodes on the longest path
  uint32_t most_levels = 0;      ///< of all trees
  std::vector<uint64_t> set_words;
  std::vector<uint64_t> column_set_bit;
  std::vector<uint32_t> column_set_step;

  static Result<WalkPlan> build(const format::TreeArrays& arrays,
                                const TreeColumns& columns) noexcept;
};

}  // namespace cordwood::runtime
