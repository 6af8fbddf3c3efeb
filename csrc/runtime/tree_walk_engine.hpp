// Trees of any size: rows become 16-bit ranks, then each tree is walked for many rows at once, or
// for few rows all trees at once.
#pragma once

#include <memory>

#include "format/trees.hpp"
#include "plan/tree_columns.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/tree_engine.hpp"

namespace cordwood::runtime {

/// `with_tops` evaluates the upper levels by tree_slice, where their categories fit eight-bit bins. Its
/// rows are bins of the columns `binned`, or values where that is null.
Result<std::unique_ptr<TreeEngine>> make_walk_engine(
    const format::TreeArrays& arrays, const KernelRow& kernels, bool with_tops,
    const std::shared_ptr<const plan::TreeColumns>& binned = nullptr) noexcept;

}  // namespace cordwood::runtime
