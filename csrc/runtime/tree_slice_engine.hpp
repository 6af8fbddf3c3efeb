// Batches of trees of up to 64 leaves: blocks of 512 rows through tree_slice; a few rows at the end,
// or alone, through tree_mask, whose cost is by the row.
#pragma once

#include <memory>

#include "format/trees.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/tree_engine.hpp"

namespace cordwood::runtime {

/// Whether the slice engine can hold these trees.
[[nodiscard]] bool slice_fits(const format::TreeArrays& arrays) noexcept;

/// Builds it; only where slice_fits says so.
Result<std::unique_ptr<TreeEngine>> make_slice_engine(const format::TreeArrays& arrays,
                                                      const KernelRow& kernels) noexcept;

}  // namespace cordwood::runtime
