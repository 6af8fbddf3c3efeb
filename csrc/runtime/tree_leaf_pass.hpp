// Aggregates that are made of the leaves themselves, after an engine has found them: linear leaves,
// which need the row's values too, and weighted medians, which need a row's leaves side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

/// Leaf rows that a block of rows reaches: row r of tree t at `at[t * stride + r]`.
struct LeafBlock {
  const int32_t* at;
  uint64_t stride;
};

class LeafPass {
 public:
  virtual ~LeafPass() = default;

  /// Answers before any division, C order [n_rows, n_outputs] of the accumulate type. `start` is null
  /// where sums start from the base value; it may be `out`.
  virtual Status answer(const RowsView& rows, const LeafBlock& leaves, const void* start, void* out,
                        std::span<std::byte> scratch) const noexcept = 0;

  [[nodiscard]] virtual size_t scratch_bytes(uint64_t n_rows) const noexcept = 0;
  [[nodiscard]] virtual uint64_t resident_bytes() const noexcept = 0;
};

/// Whether the ensemble's answers need such a pass; where not, an engine adds plain leaves by itself.
[[nodiscard]] inline bool needs_leaf_pass(const format::TreeArrays& arrays) noexcept {
  return !arrays.linear_start.empty() ||
         arrays.attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN;
}

Result<std::unique_ptr<LeafPass>> make_linear_pass(const format::TreeArrays& arrays,
                                                   const KernelRow& kernels) noexcept;
Result<std::unique_ptr<LeafPass>> make_median_pass(const format::TreeArrays& arrays) noexcept;

}  // namespace cordwood::runtime
