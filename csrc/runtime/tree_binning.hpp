// Binning rows once, for many calls: the columns that the trees of a file compare, fixed by the file
// alone, so that bins made on one machine serve on any other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/rows.hpp"
#include "runtime/tree_columns.hpp"
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
  /// The columns of all trees of an ensemble, which some of its trees share. Refuses one whose answers
  /// are made of values, too.
  static Result<TreeBinning> plan(const format::TreeArrays& arrays,
                                  const KernelRow& kernels) noexcept;

  [[nodiscard]] const std::shared_ptr<const TreeColumns>& columns() const noexcept {
    return columns_;
  }
  [[nodiscard]] uint64_t n_columns() const noexcept { return columns_->columns().size(); }

  /// Bytes of a bin: 1 in columns of the slice engine, 2 in those of the walk engine.
  [[nodiscard]] uint32_t bin_bytes() const noexcept {
    return columns_->width() == BinWidth::k8 ? 1 : 2;
  }

  /// The highest bin of each column; 0xFFFF besides, which is NaN, where bins have two bytes.
  [[nodiscard]] const std::vector<uint16_t>& highest() const noexcept { return highest_; }

  /// Stands for what the columns mean: equal for the same cuts and categories of the same features.
  [[nodiscard]] const std::array<uint64_t, 2>& digest() const noexcept { return digest_; }

  /// Bins rows of values. One-byte bins have a row step of 1, two-byte ones a column step of 2.
  Status bin(const RowsView& rows, const BinGrid& out, std::span<std::byte> scratch) const noexcept;

  [[nodiscard]] size_t scratch_bytes() const noexcept;

 private:
  TreeBinning(const cordwood_tree_attributes& attributes, TreeColumns&& columns,
              const KernelRow& kernels);
  template <class Input>
  Status bin_as(const RowsView& rows, const BinGrid& out,
                std::span<std::byte> scratch) const noexcept;
  void note_digest();

  cordwood_tree_attributes attributes_;
  std::shared_ptr<const TreeColumns> columns_;
  ValueBins values_;
  std::vector<uint16_t> highest_;
  std::array<uint64_t, 2> digest_;
};

}  // namespace cordwood::runtime
