// Binning rows once, for many calls: the columns that the trees of a file compare, fixed by the file
// alone, so that bins made on one machine serve on any other.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "plan/bin_form.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/rows.hpp"
#include "runtime/tree_row_bins.hpp"

namespace cordwood::runtime {

/// Where bins go: column c of row r at `at + r * row_step + c * column_step` bytes.
struct BinGrid {
  void* at;
  uint64_t row_step;
  uint64_t column_step;
};

class TreeBinning {
 public:
  /// Of all trees of an ensemble; refuses what `plan::BinForm` refuses.
  static Result<TreeBinning> plan(const format::TreeArrays& arrays,
                                  const KernelRow& kernels) noexcept;

  [[nodiscard]] const plan::BinForm& form() const noexcept { return form_; }

  /// Bins rows of values. One-byte bins have a row step of 1, two-byte ones a column step of 2.
  Status bin(const RowsView& rows, const BinGrid& out, std::span<std::byte> scratch) const noexcept;

  [[nodiscard]] size_t scratch_bytes() const noexcept;

 private:
  TreeBinning(const cordwood_tree_attributes& attributes, plan::BinForm&& form,
              const KernelRow& kernels);
  template <class Input>
  Status bin_as(const RowsView& rows, const BinGrid& out,
                std::span<std::byte> scratch) const noexcept;

  cordwood_tree_attributes attributes_;
  plan::BinForm form_;
  ValueBins values_;
};

}  // namespace cordwood::runtime
