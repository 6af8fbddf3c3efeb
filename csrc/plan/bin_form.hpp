// The bins of rows: which columns the trees of a file compare, fixed by the file alone, so that bins
// made on one machine or device serve on any other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::plan {

/// A sentence that says why an engine was chosen.
using Reason = std::array<char, 128>;

/// Writes the sentence; `text` may hold one %llu, which `number` takes the place of.
void explain(Reason& reason, const char* text, uint64_t number = 0) noexcept;

/// Whether all nodes of the trees can be evaluated on byte bins at all.
[[nodiscard]] bool can_slice(const format::TreeArrays& arrays, Reason& reason);

/// Whether trees that can be evaluated so suit it, where vectors are long.
[[nodiscard]] bool suits_slice(const format::TreeArrays& arrays, Reason& reason);

/// Whether bins of rows are bytes, in columns for evaluating all nodes, or have 16 bits, in those for
/// walks. The shape of the trees alone says so; byte bins can be walked, too.
[[nodiscard]] bool has_byte_bins(const format::TreeArrays& arrays);

/// 16-bit columns for walks.
Result<TreeColumns> plan_walk_columns(const format::TreeArrays& arrays) noexcept;

class BinForm {
 public:
  /// The columns of all trees of an ensemble, which some of its trees share. Refuses one whose answers
  /// are made of values, too.
  static Result<BinForm> plan(const format::TreeArrays& arrays) noexcept;

  [[nodiscard]] const std::shared_ptr<const TreeColumns>& columns() const noexcept {
    return columns_;
  }
  [[nodiscard]] uint64_t n_columns() const noexcept { return columns_->columns().size(); }

  /// Bytes of a bin: 1 in columns for evaluating all nodes, 2 in those for walks.
  [[nodiscard]] uint32_t bin_bytes() const noexcept {
    return columns_->width() == BinWidth::k8 ? 1 : 2;
  }

  /// The highest bin of each column; 0xFFFF besides, which is NaN, where bins have two bytes.
  [[nodiscard]] const std::vector<uint16_t>& highest() const noexcept { return highest_; }

  /// Stands for what the columns mean: equal for the same cuts and categories of the same features.
  [[nodiscard]] const std::array<uint64_t, 2>& digest() const noexcept { return digest_; }

 private:
  BinForm(const cordwood_tree_attributes& attributes, TreeColumns&& columns);
  void note_digest(const cordwood_tree_attributes& attributes);

  std::shared_ptr<const TreeColumns> columns_;
  std::vector<uint16_t> highest_;
  std::array<uint64_t, 2> digest_;
};

}  // namespace cordwood::plan
