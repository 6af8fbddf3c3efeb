// The bins of an engine's rows: made from the caller's values, or copied where the caller made them
// before. An engine is built for one of the two and asks the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "format/operators.h"
#include "plan/tree_columns.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/load_rows.hpp"
#include "runtime/rows.hpp"
#include "runtime/tree_bin_calls.hpp"

namespace cordwood::runtime {

/// From values, cast to the type that a call names.
class ValueBins {
 public:
  // Rows that are loaded and binned at a time, so that their values never leave the L1.
  static constexpr uint64_t kStrip = 64;

  /// May throw std::bad_alloc.
  ValueBins(const cordwood_tree_attributes& attributes,
            std::shared_ptr<const plan::TreeColumns> columns, const KernelRow& kernels)
      : columns_(std::move(columns)),
        loader_(plan::LoadRule::of(attributes), columns_->features(), kernels),
        kernels_(kernels) {}

  /// Values that `by_column` and `one_row` keep meanwhile.
  [[nodiscard]] size_t n_values() const noexcept { return columns_->features().size() * kStrip; }
  [[nodiscard]] uint64_t resident_bytes() const noexcept { return columns_->resident_bytes(); }

  /// Column c of all rows goes to `bins + c * stride`.
  template <class Input>
  Status by_column(const RowsView& rows, uint64_t stride, Input* values,
                   uint8_t* bins) const noexcept {
    const BinColumns columns = columns_->columns();
    for (uint64_t first = 0; first < rows.n_rows; first += kStrip) {
      const RowsView strip = rows.slice(first, std::min(kStrip, rows.n_rows - first));
      CORDWOOD_RETURN_IF_FAILED(loader_.load(strip, values, kStrip));
      for (size_t c = 0; c < columns.size(); ++c) {
        bin_column(kernels_, values + columns[c].feature * kStrip, strip.n_rows, columns[c],
                   bins + c * stride + first);
      }
    }
    return {};
  }

  /// The bins of one row, side by side.
  template <class Input>
  Status one_row(const RowsView& row, Input* values, uint8_t* bins) const noexcept {
    CORDWOOD_RETURN_IF_FAILED(loader_.load(row, values, 1));
    bin_one_row(kernels_, values, columns_->columns(), bins);
    return {};
  }

  /// Row by row side by side, as walks read them. Leaves the values in `values`, feature i at
  /// `i * stride`; `column` holds a bin for each row.
  template <class Input>
  Status by_row(const RowsView& rows, uint64_t stride, Input* values, uint16_t* column,
                uint16_t* bins) const noexcept {
    CORDWOOD_RETURN_IF_FAILED(loader_.load(rows, values, stride));
    const BinColumns columns = columns_->columns();
    if (rows.n_rows == 1 && stride == 1) {
      bin_one_row(kernels_, values, columns, bins);
      return {};
    }
    for (size_t c = 0; c < columns.size(); ++c) {
      bin_column(kernels_, values + columns[c].feature * stride, rows.n_rows, columns[c], column);
      for (uint64_t row = 0; row < rows.n_rows; ++row) bins[row * columns.size() + c] = column[row];
    }
    return {};
  }

 private:
  std::shared_ptr<const plan::TreeColumns> columns_;
  RowLoader loader_;
  KernelRow kernels_;
};

/// From bins of any strides. Whoever made them owns the tables.
class GivenBins {
 public:
  /// May throw std::bad_alloc.
  GivenBins(const cordwood_tree_attributes&,
            const std::shared_ptr<const plan::TreeColumns>& columns, const KernelRow&) {
    for (const kernels::BinColumn& column : columns->columns()) {
      missing_.push_back(column.category != 0 ? column.missing_bin : kNoBin);
    }
  }

  [[nodiscard]] size_t n_values() const noexcept { return 0; }
  [[nodiscard]] uint64_t resident_bytes() const noexcept { return 0; }

  Status by_column(const RowsView& rows, uint64_t stride, uint8_t*, uint8_t* bins) const noexcept {
    for (size_t c = 0; c < missing_.size(); ++c, bins += stride) {
      const uint8_t* at = column(rows, c);
      if (rows.row_stride == 1) {
        std::memcpy(bins, at, rows.n_rows);
        continue;
      }
      for (uint64_t row = 0; row < rows.n_rows; ++row, at += rows.row_stride) bins[row] = *at;
    }
    return {};
  }

  Status one_row(const RowsView& row, uint8_t* values, uint8_t* bins) const noexcept {
    return by_column(row, 1, values, bins);
  }

  Status by_row(const RowsView& rows, uint64_t, uint16_t*, uint16_t*,
                uint16_t* bins) const noexcept {
    const size_t n_columns = missing_.size();
    if (rows.dtype == CORDWOOD_DTYPE_UINT8) {
      widen(rows, bins);
      return {};
    }
    const bool dense = rows.column_stride == sizeof(uint16_t);
    const auto* row = static_cast<const char*>(rows.data);
    for (uint64_t r = 0; r < rows.n_rows; ++r, row += rows.row_stride, bins += n_columns) {
      if (dense) {
        std::memcpy(bins, row, n_columns * sizeof(uint16_t));
        continue;
      }
      const char* at = row;
      for (size_t c = 0; c < n_columns; ++c, at += rows.column_stride) {
        std::memcpy(bins + c, at, sizeof(uint16_t));
      }
    }
    return {};
  }

 private:
  static constexpr uint32_t kNoBin = 0xFFFFFFFFu;
  static constexpr uint16_t kMissing16 = 0xFFFFu;

  static const uint8_t* column(const RowsView& rows, size_t c) noexcept {
    return static_cast<const uint8_t*>(rows.data) + static_cast<int64_t>(c) * rows.column_stride;
  }

  // Ranks of byte columns, NaN among them, are ranks of wider ones. In a category column NaN has a code
  // behind the listed ones, where walks expect one of their own.
  void widen(const RowsView& rows, uint16_t* bins) const noexcept {
    for (size_t c = 0; c < missing_.size(); ++c) {
      const uint8_t* at = column(rows, c);
      for (uint64_t row = 0; row < rows.n_rows; ++row, at += rows.row_stride) {
        bins[row * missing_.size() + c] = *at == missing_[c] ? kMissing16 : uint16_t{*at};
      }
    }
  }

  std::vector<uint32_t> missing_;  ///< of category columns; kNoBin of numeric ones
};

/// What an engine for rows of type Input asks.
template <class Input>
using RowBins = std::conditional_t<std::is_floating_point_v<Input>, ValueBins, GivenBins>;

}  // namespace cordwood::runtime
