// tree_bin, the reference: one value at a time, `depth` comparisons each.
// Cost: about depth dependent loads and adds a value; neighbouring values overlap.
#include <cassert>

#include "format/operators.h"
#include "kernels/tree_bin/tree_bin.hpp"

#define CORDWOOD_BIN_FLOAT float
#define CORDWOOD_BIN_NAME(name) name##_f32
#include "kernels/tree_bin/step.h"
#undef CORDWOOD_BIN_FLOAT
#undef CORDWOOD_BIN_NAME
#define CORDWOOD_BIN_FLOAT double
#define CORDWOOD_BIN_NAME(name) name##_f64
#include "kernels/tree_bin/step.h"
#undef CORDWOOD_BIN_FLOAT
#undef CORDWOOD_BIN_NAME

namespace cordwood::kernels::scalar {
namespace {

template <class Float>
uint32_t bin_one(const BinColumn& column, Float x) {
  const auto* levels = static_cast<const Float*>(column.levels);
  const auto* sorted = static_cast<const Float*>(column.sorted);
  const auto bin = [&](auto step) {
    return step(levels, sorted, column.category, column.depth, column.count, column.missing_bin,
                column.other_bin, column.rule, column.zero_band, x);
  };
  if constexpr (sizeof(Float) == sizeof(float)) {
    return bin(bin_f32);
  } else {
    return bin(bin_f64);
  }
}

template <class Float, class Bin>
void bin_all(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  assert(column.depth <= 16);
  for (uint64_t row = 0; row < n_rows; ++row) {
    bins[row] = static_cast<Bin>(bin_one(column, values[row]));
  }
}

template <class Float, class Bin>
void bin_row(const Float* row, const BinColumn* columns, uint32_t n_columns, Bin* bins) {
  for (uint32_t c = 0; c < n_columns; ++c) {
    bins[c] = static_cast<Bin>(bin_one(columns[c], row[columns[c].feature]));
  }
}

}  // namespace

void tree_bin_row_f32_u8(const float* row, const BinColumn* columns, uint32_t n_columns,
                         uint8_t* bins) noexcept {
  bin_row(row, columns, n_columns, bins);
}

void tree_bin_row_f64_u8(const double* row, const BinColumn* columns, uint32_t n_columns,
                         uint8_t* bins) noexcept {
  bin_row(row, columns, n_columns, bins);
}

void tree_bin_row_f32_u16(const float* row, const BinColumn* columns, uint32_t n_columns,
                          uint16_t* bins) noexcept {
  bin_row(row, columns, n_columns, bins);
}

void tree_bin_row_f64_u16(const double* row, const BinColumn* columns, uint32_t n_columns,
                          uint16_t* bins) noexcept {
  bin_row(row, columns, n_columns, bins);
}

void tree_bin_f32_u8(const float* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_all(values, n_rows, column, bins);
}

void tree_bin_f64_u8(const double* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_all(values, n_rows, column, bins);
}

void tree_bin_f32_u16(const float* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_all(values, n_rows, column, bins);
}

void tree_bin_f64_u16(const double* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_all(values, n_rows, column, bins);
}

}  // namespace cordwood::kernels::scalar
