// The kernels of tree_bin by the types of values and bins, for callers that are templates.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/tree_bin/tree_bin.hpp"
#include "runtime/dispatch.hpp"

namespace cordwood::runtime {

inline void bin_column(const KernelRow& kernels, const float* values, uint64_t n,
                       const kernels::BinColumn& column, uint8_t* bins) noexcept {
  kernels.tree_bin_f32_u8(values, n, column, bins);
}
inline void bin_column(const KernelRow& kernels, const double* values, uint64_t n,
                       const kernels::BinColumn& column, uint8_t* bins) noexcept {
  kernels.tree_bin_f64_u8(values, n, column, bins);
}
inline void bin_column(const KernelRow& kernels, const float* values, uint64_t n,
                       const kernels::BinColumn& column, uint16_t* bins) noexcept {
  kernels.tree_bin_f32_u16(values, n, column, bins);
}
inline void bin_column(const KernelRow& kernels, const double* values, uint64_t n,
                       const kernels::BinColumn& column, uint16_t* bins) noexcept {
  kernels.tree_bin_f64_u16(values, n, column, bins);
}

using BinColumns = std::span<const kernels::BinColumn>;

inline void bin_one_row(const KernelRow& kernels, const float* row, BinColumns columns,
                        uint8_t* bins) noexcept {
  kernels.tree_bin_row_f32_u8(row, columns.data(), static_cast<uint32_t>(columns.size()), bins);
}
inline void bin_one_row(const KernelRow& kernels, const double* row, BinColumns columns,
                        uint8_t* bins) noexcept {
  kernels.tree_bin_row_f64_u8(row, columns.data(), static_cast<uint32_t>(columns.size()), bins);
}
inline void bin_one_row(const KernelRow& kernels, const float* row, BinColumns columns,
                        uint16_t* bins) noexcept {
  kernels.tree_bin_row_f32_u16(row, columns.data(), static_cast<uint32_t>(columns.size()), bins);
}
inline void bin_one_row(const KernelRow& kernels, const double* row, BinColumns columns,
                        uint16_t* bins) noexcept {
  kernels.tree_bin_row_f64_u16(row, columns.data(), static_cast<uint32_t>(columns.size()), bins);
}

}  // namespace cordwood::runtime
