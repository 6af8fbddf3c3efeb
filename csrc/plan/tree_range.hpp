// A run of an ensemble's trees as an ensemble of its own: what a range of iterations, or one stage of
// a staged answer, is made from.
#pragma once

#include <cstdint>

#include "format/trees.hpp"
#include "format/view.hpp"
#include "runtime/backend.h"

namespace cordwood::plan {

/// Trees [first, last).
struct TreeRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

/// The last tree operator of a program: the one whose sums answer. The number of operators where the
/// program has none.
[[nodiscard]] uint32_t last_trees(const format::FileView& file) noexcept;

/// Refuses a range that the last tree operator does not have, or that its aggregate cannot answer.
Status check_range(const format::FileView& file, const cordwood_tree_range& range) noexcept;

/// Copies the trees of `range`, which lies within `all`, with just the columns, cuts, sets and leaf
/// rows that they use: time and space grow with those trees, whatever the size of `all`. An average
/// divides by as many parts of the divisor as there are trees of all.
[[nodiscard]] format::TreeArrays take_trees(const format::TreeArrays& all, const TreeRange& range);

/// The same with all columns, cuts and sets as they are, so that bins of the whole serve the part.
[[nodiscard]] format::TreeArrays take_trees_alone(const format::TreeArrays& all,
                                                  const TreeRange& range);

}  // namespace cordwood::plan
