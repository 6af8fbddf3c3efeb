// Batches of trees of up to 64 leaves: blocks of 512 rows through tree_slice; a few rows at the end,
// or alone, through tree_mask, whose cost is by the row.
#pragma once

#include <memory>

#include "format/trees.hpp"
#include "plan/tree_columns.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/tree_engine.hpp"

namespace cordwood::runtime {

/// Builds it, for trees of at most kSliceMaxLeaves leaves whose categories fit eight-bit bins. Its rows
/// are bins of the columns `binned`, or values where that is null.
Result<std::unique_ptr<TreeEngine>> make_slice_engine(
    const format::TreeArrays& arrays, const KernelRow& kernels,
    const std::shared_ptr<const plan::TreeColumns>& binned = nullptr) noexcept;

}  // namespace cordwood::runtime
