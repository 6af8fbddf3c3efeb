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

uint32_t rank(const float* levels, uint32_t depth, float x) {
  return rank_f32(levels, depth, x);
}
uint32_t rank(const double* levels, uint32_t depth, double x) {
  return rank_f64(levels, depth, x);
}
float code(uint32_t rule, float x) {
  return code_f32(rule, x);
}
double code(uint32_t rule, double x) {
  return code_f64(rule, x);
}

template <class Float>
uint32_t bin_one(const BinColumn& column, Float x) {
  const auto* levels = static_cast<const Float*>(column.levels);
  const Float magnitude = x < 0 ? -x : x;
  if (x != x || static_cast<double>(magnitude) <= column.zero_band) return column.missing_bin;
  if (column.category == 0) return rank(levels, column.depth, x);
  const Float value = code(column.rule, x);
  const uint32_t position = rank(levels, column.depth, value);
  const bool found =
      position < column.count && static_cast<const Float*>(column.sorted)[position] == value;
  return found ? position : column.other_bin;
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
