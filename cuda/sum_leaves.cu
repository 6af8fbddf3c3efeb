// A thread has a few rows and one output and goes through the trees in their order, so that sums are
// those of one processor, bit for bit. The lanes of a warp read neighbouring leaves; values of a tree's
// leaves lie in a cache line or two. Small batches would wait for each tree's values in turn: there a
// block fetches those of many trees at once, and one warp adds them while the others fetch on.
//
// Cost of a tree and 32 rows on sm_90a, where leaves are bytes with one value: 10 instructions, of which
// 1.75 are loads; with one row a thread 16 and 4, which small batches take to fill the device.
#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/sum_leaves.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 128;
constexpr uint32_t kTreesAtOnce = 4;  // whose loads are under way together
constexpr uint32_t kMostRows = 4;     // a word of leaves that are bytes
#ifndef CORDWOOD_CUDA_FEW_SUMS
#define CORDWOOD_CUDA_FEW_SUMS (uint64_t{1} << 14)
#define CORDWOOD_CUDA_MANY_ROWS (uint64_t{1} << 18)
#endif
// Up to here a batch is small: no device is full of threads with a sum each. Tests build with less.
constexpr uint64_t kFewSums = CORDWOOD_CUDA_FEW_SUMS;
// From here on a thread may have kMostRows: there are some 500 blocks then, enough for any device.
constexpr uint64_t kManyRows = CORDWOOD_CUDA_MANY_ROWS;
constexpr uint32_t kFewWarps = 16;  // of a block of a small batch
constexpr uint32_t kFewTrees = 4;   // that a warp of it fetches at once
constexpr uint32_t kRound = kFewWarps * kFewTrees;
constexpr uint32_t kSide = 32;  // of a square of leaf numbers that is transposed
constexpr uint32_t kSideRows = 8;

/// Leaves that a thread reads at once.
template <class Leaf, uint32_t kRows>
struct alignas(sizeof(Leaf) * kRows) SomeLeaves {
  Leaf at[kRows];
};

/// The value of a tree's leaf for an output; `kOne`: leaves have one value.
template <bool kOne, class Sum>
__device__ __forceinline__ Sum leaf_value(const LeafTables<Sum>& tables, const OutputTree& tree,
                                          uint32_t leaf, uint32_t output) {
  if constexpr (kOne) {
    return (tables.leaf_values + tree.first_leaf)[leaf];
  } else {
    const uint64_t values = tables.leaf_row[tree.first_leaf + leaf];
    return tables.values[values * tables.width + output];
  }
}

template <class Sum>
__device__ __forceinline__ Sum first_sum(const LeafTables<Sum>& tables, const Sum* start,
                                         uint64_t row, uint32_t output) {
  return start != nullptr ? start[row * tables.n_outputs + output] : tables.base[output];
}

template <class Sum>
__device__ __forceinline__ Sum finished(const LeafTables<Sum>& tables, Sum sum) {
  return tables.divisor != 0 ? sum / tables.divisor : sum;
}

/// `kRows` neighbouring rows a thread, which share the reading of a tree.
template <class Leaf, class Sum, uint32_t kRows, bool kOne>
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const LeafTables<Sum> tables, const LeafGrid<Leaf> leaves, const uint64_t n_rows,
               const Sum* start, Sum* out) {
  const uint64_t row = (uint64_t{blockIdx.x} * kThreads + threadIdx.x) * kRows;
  const uint32_t output = blockIdx.y;
  if (row >= n_rows) return;
  Sum sum[kRows];
#pragma unroll
  for (uint32_t r = 0; r < kRows; ++r) {
    sum[r] = first_sum(tables, row + r < n_rows ? start : nullptr, row + r, output);
  }
  const auto pitch = static_cast<uint32_t>(leaves.pitch);  // a pass has fewer rows than 2^32
  const uint32_t end = tables.first_of_output[output + 1];
#pragma unroll kTreesAtOnce
  for (uint32_t i = tables.first_of_output[output]; i < end; ++i) {
    const OutputTree tree = tables.output_trees[i];
    const auto found = *reinterpret_cast<const SomeLeaves<Leaf, kRows>*>(
        leaves.at + uint64_t{tree.tree} * pitch + row);
#pragma unroll
    for (uint32_t r = 0; r < kRows; ++r) {
      sum[r] += leaf_value<kOne>(tables, tree, found.at[r], output);
    }
  }
#pragma unroll
  for (uint32_t r = 0; r < kRows; ++r) {
    if (row + r >= n_rows) break;
    out[(row + r) * tables.n_outputs + output] = finished(tables, sum[r]);
  }
}

/// 32 rows a block, one a lane; two rounds of values take turns in shared memory.
template <class Leaf, class Sum, bool kOne>
__global__ void __launch_bounds__(kFewWarps* kWarp)
    sum_few_kernel(const LeafTables<Sum> tables, const LeafGrid<Leaf> leaves, const uint64_t n_rows,
                   const Sum* start, Sum* out) {
  auto* const values = reinterpret_cast<Sum*>(block_memory);  // [2][kRound][kWarp]
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t warp = threadIdx.x / kWarp;
  const uint64_t row = uint64_t{blockIdx.x} * kWarp + lane;
  const uint32_t output = blockIdx.y;
  const uint32_t end = tables.first_of_output[output + 1];
  const bool mine = row < n_rows;
  Sum fetched[kFewTrees];
  const auto fetch = [&](uint32_t from) {
#pragma unroll
    for (uint32_t i = 0; i < kFewTrees; ++i) {
      const uint32_t place = from + warp * kFewTrees + i;
      fetched[i] = Sum{0};
      if (!mine || place >= end) continue;
      const OutputTree tree = tables.output_trees[place];
      const Leaf leaf = leaves.at[tree.tree * leaves.pitch + row];
      fetched[i] = leaf_value<kOne>(tables, tree, leaf, output);
    }
  };
  const auto store = [&](uint32_t half) {
#pragma unroll
    for (uint32_t i = 0; i < kFewTrees; ++i) {
      values[(half * kRound + warp * kFewTrees + i) * kWarp + lane] = fetched[i];
    }
    __syncthreads();
  };
  Sum sum = mine ? first_sum(tables, start, row, output) : Sum{0};
  uint32_t half = 0;
  fetch(tables.first_of_output[output]);
  store(half);
  for (uint32_t from = tables.first_of_output[output]; from < end; from += kRound) {
    fetch(from + kRound);
    if (warp == 0) {
      const uint32_t count = min(kRound, end - from);
#pragma unroll 8
      for (uint32_t i = 0; i < count; ++i) sum += values[(half * kRound + i) * kWarp + lane];
    }
    half ^= 1;
    store(half);
  }
  if (warp == 0 && mine) out[row * tables.n_outputs + output] = finished(tables, sum);
}

/// Through shared memory, so that both sides are read and written in whole sectors.
template <class Leaf>
__global__ void __launch_bounds__(kSide* kSideRows)
    number_kernel(const uint32_t* first_leaf, const int32_t* number, const uint32_t n_trees,
                  const LeafGrid<Leaf> leaves, const uint64_t n_rows, int32_t* out) {
  auto* const square = reinterpret_cast<int32_t*>(block_memory);  // [kSide][kSide + 1]
  const uint32_t across = threadIdx.x % kSide;
  const uint64_t first_row = uint64_t{blockIdx.x} * kSide;
  const uint32_t first_tree = blockIdx.y * kSide;
  for (uint32_t down = threadIdx.x / kSide; down < kSide; down += kSideRows) {
    const uint32_t tree = first_tree + down;
    const uint64_t row = first_row + across;
    if (tree >= n_trees || row >= n_rows) continue;
    square[down * (kSide + 1) + across] =
        number[first_leaf[tree] + leaves.at[tree * leaves.pitch + row]];
  }
  __syncthreads();
  for (uint32_t down = threadIdx.x / kSide; down < kSide; down += kSideRows) {
    const uint32_t tree = first_tree + across;
    const uint64_t row = first_row + down;
    if (tree >= n_trees || row >= n_rows) continue;
    out[row * n_trees + tree] = square[across * (kSide + 1) + down];
  }
}

}  // namespace

template <class Leaf, class Sum>
Status sum_leaves(const LeafTables<Sum>& tables, const LeafGrid<Leaf>& leaves, uint64_t n_rows,
                  const Sum* start, Sum* out, cudaStream_t stream) noexcept {
  const bool one = tables.leaf_values != nullptr;
  if (n_rows * tables.n_outputs <= kFewSums) {
    const Launch few{.grid = dim3(blocks_for(n_rows, kWarp), tables.n_outputs),
                     .threads = kFewWarps * kWarp,
                     .shared_bytes = 2 * kRound * kWarp * sizeof(Sum),
                     .stream = stream,
                     .place = "sums of leaves"};
    const auto kernel = one ? sum_few_kernel<Leaf, Sum, true> : sum_few_kernel<Leaf, Sum, false>;
    return launch(kernel, few, tables, leaves, n_rows, start, out);
  }
  const bool many = n_rows >= kManyRows;
  const Launch how{
      .grid = dim3(blocks_for(n_rows, many ? kThreads * kMostRows : kThreads), tables.n_outputs),
      .threads = kThreads,
      .shared_bytes = 0,
      .stream = stream,
      .place = "sums of leaves"};
  const auto kernel =
      one ? (many ? sum_kernel<Leaf, Sum, kMostRows, true> : sum_kernel<Leaf, Sum, 1, true>)
          : (many ? sum_kernel<Leaf, Sum, kMostRows, false> : sum_kernel<Leaf, Sum, 1, false>);
  return launch(kernel, how, tables, leaves, n_rows, start, out);
}

template <class Leaf>
Status number_leaves(const uint32_t* first_leaf, const int32_t* number, uint32_t n_trees,
                     const LeafGrid<Leaf>& leaves, uint64_t n_rows, int32_t* out,
                     cudaStream_t stream) noexcept {
  const Launch how{.grid = dim3(blocks_for(n_rows, kSide), blocks_for(n_trees, kSide)),
                   .threads = kSide * kSideRows,
                   .shared_bytes = kSide * (kSide + 1) * sizeof(int32_t),
                   .stream = stream,
                   .place = "numbers of leaves"};
  return launch(number_kernel<Leaf>, how, first_leaf, number, n_trees, leaves, n_rows, out);
}

#define CORDWOOD_FOR_LEAF(Leaf)                                                                    \
  template Status number_leaves(const uint32_t*, const int32_t*, uint32_t, const LeafGrid<Leaf>&,  \
                                uint64_t, int32_t*, cudaStream_t) noexcept;                        \
  template Status sum_leaves(const LeafTables<float>&, const LeafGrid<Leaf>&, uint64_t,            \
                             const float*, float*, cudaStream_t) noexcept;                         \
  template Status sum_leaves(const LeafTables<double>&, const LeafGrid<Leaf>&, uint64_t,           \
                             const double*, double*, cudaStream_t) noexcept;
CORDWOOD_FOR_LEAF(uint8_t)
CORDWOOD_FOR_LEAF(uint16_t)
CORDWOOD_FOR_LEAF(uint32_t)
#undef CORDWOOD_FOR_LEAF

}  // namespace cordwood::cuda
