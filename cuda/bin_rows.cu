// A block bins 128 rows. Rows whose values lie side by side are read as they lie, a lane a column, and turned
// in shared memory; where columns lie side by side a lane reads a row. Then a warp bins one column at a
// time, and writes whole sectors of bins. Of few rows a warp bins several columns at once.
// Cost: depth loads from the first cache level a value; the search has no branch.
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <type_traits>

#include "cuda/bin_rows.hpp"
#include "cuda/block_memory.cuh"
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
constexpr uint32_t kWarps = kThreads / kWarp;
constexpr uint32_t kLaneRows = 4;
constexpr uint32_t kBlockRows = kWarp * kLaneRows;
constexpr uint32_t kPanel = kWarp;            // columns that are turned at once
constexpr uint32_t kPanelPitch = kPanel + 1;  // so that a column's rows lie in different banks
template <class Float>
constexpr uint32_t kOwnType =
    std::is_same_v<Float, float> ? CORDWOOD_DTYPE_FLOAT32 : CORDWOOD_DTYPE_FLOAT64;
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

/// Calls `visit(row, column)` with the task's pairs of this thread. A warp has `side` rows of one column, or
/// of several where there are no more rows than that.
template <class Visit>
__device__ __forceinline__ void for_each_bin(uint64_t n_rows, uint32_t n_columns, uint32_t side,
                                             Visit&& visit) {
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t warp = blockIdx.y * kWarps + threadIdx.x / kWarp;
  const uint32_t across = kWarp / side;
  const uint64_t first = uint64_t{blockIdx.x} * kBlockRows + lane % side;
  for (uint32_t column = warp * across + lane / side; column < n_columns;
       column += gridDim.y * kWarps * across) {
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
               const uint64_t pitch, const uint32_t side) {
  for_each_bin(rows.n_rows, tables.n_columns, side, [&](uint64_t row, uint32_t c) {
    const kernels::BinColumn& column = tables.columns[c];
    const uint32_t bin = bin_of(column, row_value<Float>(rows, rule, row, column.feature));
    bins[c * pitch + row] = widened<Bin>(column, tables.bytes, bin);
  });
}

/// The same for rows whose values lie side by side.
template <class Float, class Bin>
__global__ void __launch_bounds__(kThreads)
    turn_kernel(const DeviceRows rows, const plan::LoadRule rule, const BinTables tables, Bin* bins,
                const uint64_t pitch) {
  constexpr uint32_t kLoads = kBlockRows / kWarps;
  auto* const panel = reinterpret_cast<Float*>(block_memory);  // [kBlockRows][kPanelPitch]
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t warp = threadIdx.x / kWarp;
  const uint64_t first = uint64_t{blockIdx.x} * kBlockRows;
  const auto n_rows = static_cast<uint32_t>(min(uint64_t{kBlockRows}, rows.n_rows - first));
  for (uint32_t from = blockIdx.y * kPanel; from < tables.n_columns; from += gridDim.y * kPanel) {
    const uint32_t n_columns = min(kPanel, tables.n_columns - from);
    const uint32_t feature = tables.columns[from + min(lane, n_columns - 1)].feature;
    // Places behind the last row take its values, so that no branch depends on a row.
    const auto place = [&](uint32_t i) { return min(warp + i * kWarps, n_rows - 1); };
    const auto put = [&](uint32_t i, Float value) {
      panel[(warp + i * kWarps) * kPanelPitch + lane] = value;
    };
    if (rows.dtype == kOwnType<Float>) {
#pragma unroll 4
      for (uint32_t i = 0; i < kLoads; ++i) {
        put(i, own_value<Float>(rows, rule, first + place(i), feature));
      }
    } else {
#pragma unroll 1
      for (uint32_t i = 0; i < kLoads; ++i) {
        put(i, row_value<Float>(rows, rule, first + place(i), feature));
      }
    }
    __syncthreads();
    for (uint32_t c = warp; c < n_columns; c += kWarps) {
      const kernels::BinColumn& column = tables.columns[from + c];
      Bin* const to = bins + (from + c) * pitch + first;
#pragma unroll 2
      for (uint32_t i = 0; i < kLaneRows; ++i) {
        const uint32_t row = lane + i * kWarp;
        const uint32_t bin = bin_of(column, panel[row * kPanelPitch + c]);
        if (row < n_rows) to[row] = widened<Bin>(column, tables.bytes, bin);
      }
    }
    __syncthreads();
  }
}

template <class Bin>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(const DeviceRows rows, const BinTables tables, Bin* bins, const uint64_t pitch) {
  for_each_bin(rows.n_rows, tables.n_columns, kWarp, [&](uint64_t row, uint32_t c) {
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
    judge_kernel(const DeviceRows rows, const plan::LoadRule rule, const bool turned,
                 unsigned long long* first) {
  const auto judge = [&](uint64_t row, uint32_t feature) {
    const Float value = row_value<Float>(rows, rule, row, feature);
    const bool missing = value != value;
    const bool infinite = !missing && (value - value) != 0;
    if ((rule.refuse_nan && missing) || (rule.refuse_infinity && infinite)) {
      atomicMin(first, static_cast<unsigned long long>(row << 32 | uint64_t{feature} << 1 |
                                                       (infinite ? 1u : 0u)));
    }
  };
  const uint32_t lane = threadIdx.x % kWarp;
  const uint64_t warp = uint64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  const uint64_t n_warps = uint64_t{gridDim.x} * kWarps;
  if (turned) {
    for (uint64_t row = warp; row < rows.n_rows; row += n_warps) {
      for (uint32_t feature = lane; feature < rows.n_features; feature += kWarp)
        judge(row, feature);
    }
    return;
  }
  for (uint64_t row = warp * kWarp + lane; row < rows.n_rows; row += n_warps * kWarp) {
    for (uint32_t feature = 0; feature < rows.n_features; ++feature) judge(row, feature);
  }
}

/// Whether the values of a row lie side by side, rather than those of a column.
bool is_turned(const DeviceRows& rows) noexcept {
  return std::abs(rows.column_stride) < std::abs(rows.row_stride);
}

/// Rows of a warp where there are so many: a power of two.
uint32_t side_of(uint64_t n_rows) noexcept {
  return static_cast<uint32_t>(std::bit_ceil(std::min<uint64_t>(n_rows, kWarp)));
}

Launch tiles(uint64_t n_rows, uint32_t parts, cudaStream_t stream) {
  return {.grid = dim3(blocks_for(n_rows, kBlockRows), parts),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = "binning of rows"};
}

template <class Float, class Bin>
Status start_bins(const DeviceRows& rows, const plan::LoadRule& rule, const BinTables& tables,
                  Bin* bins, uint64_t pitch, Launch how) noexcept {
  const uint32_t side = side_of(rows.n_rows);
  if (side < kWarp || !is_turned(rows)) {
    return launch(bin_kernel<Float, Bin>, how, rows, rule, tables, bins, pitch, side);
  }
  how.shared_bytes = kBlockRows * kPanelPitch * sizeof(Float);
  return launch(turn_kernel<Float, Bin>, how, rows, rule, tables, bins, pitch);
}

}  // namespace

uint32_t bin_blocks(uint64_t n_rows) noexcept {
  return blocks_for(n_rows, kBlockRows);
}

Status bin_rows(const DeviceRows& rows, const plan::LoadRule& rule, const BinTables& tables,
                const BinGrid& out, uint32_t parts, cudaStream_t stream) noexcept {
  const Launch how = tiles(rows.n_rows, parts, stream);
  const auto start = [&]<class Bin>(Bin* bins) {
    return tables.wide ? start_bins<double>(rows, rule, tables, bins, out.pitch, how)
                       : start_bins<float>(rows, rule, tables, bins, out.pitch, how);
  };
  return out.bin_bytes == 1 ? start(static_cast<uint8_t*>(out.bins))
                            : start(static_cast<uint16_t*>(out.bins));
}

Status copy_bins(const DeviceRows& rows, const BinTables& tables, const BinGrid& out,
                 cudaStream_t stream) noexcept {
  const Launch how = tiles(rows.n_rows, 1, stream);
  return out.bin_bytes == 1 ? launch(copy_kernel<uint8_t>, how, rows, tables,
                                     static_cast<uint8_t*>(out.bins), out.pitch)
                            : launch(copy_kernel<uint16_t>, how, rows, tables,
                                     static_cast<uint16_t*>(out.bins), out.pitch);
}

Status judge_rows(const DeviceRows& rows, const plan::LoadRule& rule, bool wide, uint64_t* first,
                  cudaStream_t stream) noexcept {
  constexpr uint32_t kMostBlocks = 4096;
  const bool turned = is_turned(rows);
  const uint32_t blocks = blocks_for(rows.n_rows, turned ? kWarps : kThreads);
  const Launch how{.grid = dim3(std::min(blocks, kMostBlocks)),
                   .threads = kThreads,
                   .shared_bytes = 0,
                   .stream = stream,
                   .place = "judging of rows"};
  const auto kernel = wide ? judge_kernel<double> : judge_kernel<float>;
  return launch(kernel, how, rows, rule, turned, reinterpret_cast<unsigned long long*>(first));
}

}  // namespace cordwood::cuda
