// Tables of tree_walk, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::plan {

/// How far walks go.
struct WalkDepth {
  uint32_t levels = 0;  ///< inner nodes on the longest path
  bool even = true;     ///< the mean path over all leaves is at least three quarters of the longest
};

struct WalkPlan {
  AlignedVector<uint64_t> nodes;
  std::vector<uint64_t> roots;    ///< [n_trees] the place where walks start
  std::vector<WalkDepth> depths;  ///< [n_trees]
  WalkDepth all;                  ///< of all trees together
  std::vector<uint64_t> set_words;
  std::vector<uint64_t> column_set_bit;
  std::vector<uint32_t> column_set_step;

  static Result<WalkPlan> build(const format::TreeArrays& arrays,
                                const TreeColumns& columns) noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return (nodes.size() + roots.size() + set_words.size() + column_set_bit.size()) *
               sizeof(uint64_t) +
           depths.size() * sizeof(WalkDepth) + column_set_step.size() * sizeof(uint32_t);
  }
};

}  // namespace cordwood::plan
