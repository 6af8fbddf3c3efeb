// A warp bins one column of 128 rows at a time: its lanes read neighbouring rows, whose values of other
// columns the block's other warps read from the same cache lines, and write whole sectors of bins.
// Cost: depth loads from the first cache level a value; the search has no branch.
#include <type_traits>

#include "cuda/bin_rows.hpp"
#include "cuda/launch.hpp"
#include "cuda/row_values.cuh"
#include "format/operators.h"

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

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kLaneRows = 4;
constexpr uint32_t kTileRows = kWarp * kLaneRows;
constexpr uint16_t kMissing16 = 0xFFFF;

template <class Float>
__device__ __forceinline__ uint32_t bin_of(const kernels::BinColumn& column, Float x) {
  const auto* levels = static_cast<const Float*>(column.levels);
  const auto* sorted = static_cast<const Float*>(column.sorted);
  if constexpr (std::is_same_v<Float, float>) {
    return bin_f32(levels, sorted, column.category, column.depth, column.count, column.missing_bin,
                   column.other_bin, column.rule, column.zero_band, x);
  } else {
    return bin_f64(levels, sorted, column.category, column.depth, column.count, column.missing_bin,
                   column.other_bin, column.rule, column.zero_band, x);
  }
}

/// In a byte column's category NaN has a code behind the listed ones, where walks expect one of their own.
template <class Bin>
__device__ __forceinline__ Bin widened(const kernels::BinColumn& column, bool bytes, uint32_t bin) {
  if constexpr (std::is_same_v<Bin, uint16_t>) {
    if (bytes && column.category != 0 && bin == column.missing_bin) return kMissing16;
  }
  return static_cast<Bin>(bin);
}

/// Calls `visit(row, column)` with the task's pairs of this thread.
template <class Visit>
__device__ __forceinline__ void for_each_bin(uint64_t n_rows, uint32_t n_columns, Visit&& visit) {
  const uint32_t lane = threadIdx.x % kWarp;
  const uint64_t first = uint64_t{blockIdx.x} * kTileRows + lane;
  for (uint32_t column = threadIdx.x / kWarp; column < n_columns; column += kThreads / kWarp) {
#pragma unroll 2
    for (uint32_t i = 0; i < kLaneRows; ++i) {
      const uint64_t row = first + i * kWarp;
      if (row < n_rows) visit(row, column);
    }
  }
}

template <class Float, class Bin>
__global__ void __launch_bounds__(kThreads)
    bin_kernel(const DeviceRows rows, const plan::LoadRule rule, const BinTables tables, Bin* bins,
               const uint64_t pitch) {
  for_each_bin(rows.n_rows, tables.n_columns, [&](uint64_t row, uint32_t c) {
    const kernels::BinColumn& column = tables.columns[c];
    const uint32_t bin = bin_of(column, row_value<Float>(rows, rule, row, column.feature));
    bins[c * pitch + row] = widened<Bin>(column, tables.bytes, bin);
  });
}

template <class Bin>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(const DeviceRows rows, const BinTables tables, Bin* bins, const uint64_t pitch) {
  for_each_bin(rows.n_rows, tables.n_columns, [&](uint64_t row, uint32_t c) {
    const char* at = static_cast<const char*>(rows.data) +
                     static_cast<int64_t>(row) * rows.row_stride +
                     static_cast<int64_t>(c) * rows.column_stride;
    const uint32_t bin = rows.dtype == CORDWOOD_DTYPE_UINT8
                             ? *reinterpret_cast<const uint8_t*>(at)
                             : *reinterpret_cast<const uint16_t*>(at);
    bins[c * pitch + row] = widened<Bin>(tables.columns[c], tables.bytes, bin);
  });
}

template <class Float>
__global__ void __launch_bounds__(kThreads)
    judge_kernel(const DeviceRows rows, const plan::LoadRule rule, unsigned long long* first) {
  const uint64_t values = rows.n_rows * rows.n_features;
  const uint64_t step = uint64_t{gridDim.x} * kThreads;
  for (uint64_t i = uint64_t{blockIdx.x} * kThreads + threadIdx.x; i < values; i += step) {
    const uint64_t row = i / rows.n_features;
    const auto feature = static_cast<uint32_t>(i % rows.n_features);
    const Float value = row_value<Float>(rows, rule, row, feature);
    const bool missing = value != value;
    const bool infinite = !missing && (value - value) != 0;
    if ((rule.refuse_nan && missing) || (rule.refuse_infinity && infinite)) {
      atomicMin(first, static_cast<unsigned long long>(row << 32 | uint64_t{feature} << 1 |
                                                       (infinite ? 1u : 0u)));
    }
  }
}

Launch tiles(uint64_t n_rows, cudaStream_t stream) {
  return {.grid = dim3(blocks_for(n_rows, kTileRows)),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = "binning of rows"};
}

}  // namespace

Status bin_rows(const DeviceRows& rows, const plan::LoadRule& rule, const BinTables& tables,
                const BinGrid& out, cudaStream_t stream) noexcept {
  const Launch how = tiles(rows.n_rows, stream);
  const auto start = [&]<class Bin>(Bin* bins) {
    const auto kernel = tables.wide ? bin_kernel<double, Bin> : bin_kernel<float, Bin>;
    return launch(kernel, how, rows, rule, tables, bins, out.pitch);
  };
  return out.bin_bytes == 1 ? start(static_cast<uint8_t*>(out.bins))
                            : start(static_cast<uint16_t*>(out.bins));
}

Status copy_bins(const DeviceRows& rows, const BinTables& tables, const BinGrid& out,
                 cudaStream_t stream) noexcept {
  const Launch how = tiles(rows.n_rows, stream);
  return out.bin_bytes == 1 ? launch(copy_kernel<uint8_t>, how, rows, tables,
                                     static_cast<uint8_t*>(out.bins), out.pitch)
                            : launch(copy_kernel<uint16_t>, how, rows, tables,
                                     static_cast<uint16_t*>(out.bins), out.pitch);
}

Status judge_rows(const DeviceRows& rows, const plan::LoadRule& rule, bool wide, uint64_t* first,
                  cudaStream_t stream) noexcept {
  constexpr uint32_t kMostBlocks = 4096;
  const uint32_t blocks = blocks_for(rows.n_rows * rows.n_features, kThreads);
  const Launch how{.grid = dim3(blocks < kMostBlocks ? blocks : kMostBlocks),
                   .threads = kThreads,
                   .shared_bytes = 0,
                   .stream = stream,
                   .place = "judging of rows"};
  const auto kernel = wide ? judge_kernel<double> : judge_kernel<float>;
  return launch(kernel, how, rows, rule, reinterpret_cast<unsigned long long*>(first));
}

}  // namespace cordwood::cuda
