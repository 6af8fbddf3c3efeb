// Rows to bins on the device: the ranks of their values among the cuts of the trees' columns.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/device_rows.hpp"
#include "kernels/tree_bin/tree_bin.hpp"
#include "plan/load_rule.hpp"

namespace cordwood::cuda {

/// Where bins go: column c of row r at `bins[c * pitch + r]`. Columns are padded to whole tiles.
struct BinGrid {
  void* bins;      ///< uint8_t or uint16_t, as `bin_bytes` says
  uint64_t pitch;  ///< bins
  uint32_t bin_bytes;
};

/// Of the device: tables lie in its memory, and `feature` counts in the caller's columns.
struct BinTables {
  const kernels::BinColumn* columns;
  uint32_t n_columns;
  bool wide;   ///< the cuts are float64, else float32
  bool bytes;  ///< a byte is enough for each column's bins
};

/// Bins rows of values.
Status bin_rows(const DeviceRows& rows, const plan::LoadRule& rule, const BinTables& tables,
                const BinGrid& out, cudaStream_t stream) noexcept;

/// Takes over rows of bins, uint8_t or uint16_t.
Status copy_bins(const DeviceRows& rows, const BinTables& tables, const BinGrid& out,
                 cudaStream_t stream) noexcept;

/// A value that a rule refuses: row, then twice the feature, plus one where it is infinite. All ones
/// where there is none.
inline constexpr uint64_t kNothingRefused = ~uint64_t{0};

/// Lowers `*first`, at first kNothingRefused, to the first value that the rule refuses, by row and then by
/// feature.
Status judge_rows(const DeviceRows& rows, const plan::LoadRule& rule, bool wide, uint64_t* first,
                  cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
