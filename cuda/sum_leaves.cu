// A thread has a few rows and one output and goes through the trees in their order, so that sums are
// those of one processor, bit for bit. The lanes of a warp read neighbouring leaves; values of a tree's
// leaves lie in a cache line or two.
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
#ifndef CORDWOOD_CUDA_MANY_ROWS
#define CORDWOOD_CUDA_MANY_ROWS (uint64_t{1} << 18)
#endif
// From here on a thread may have kMostRows: there are some 500 blocks then, enough for any device. Tests
// build with less, so that their passes have so many.
constexpr uint64_t kManyRows = CORDWOOD_CUDA_MANY_ROWS;
constexpr uint32_t kSide = 32;  // of a square of leaf numbers that is transposed
constexpr uint32_t kSideRows = 8;

/// Leaves that a thread reads at once.
template <class Leaf, uint32_t kRows>
struct alignas(sizeof(Leaf) * kRows) SomeLeaves {
  Leaf at[kRows];
};

/// `kRows` neighbouring rows a thread, which share the reading of a tree; `kOne`: leaves have one value.
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
    const bool goes_on = start != nullptr && row + r < n_rows;
    sum[r] = goes_on ? start[(row + r) * tables.n_outputs + output] : tables.base[output];
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
      if constexpr (kOne) {
        sum[r] += (tables.leaf_values + tree.first_leaf)[found.at[r]];
      } else {
        const uint64_t values = tables.leaf_row[tree.first_leaf + found.at[r]];
        sum[r] += tables.values[values * tables.width + output];
      }
    }
  }
#pragma unroll
  for (uint32_t r = 0; r < kRows; ++r) {
    if (row + r >= n_rows) break;
    out[(row + r) * tables.n_outputs + output] =
        tables.divisor != 0 ? sum[r] / tables.divisor : sum[r];
  }
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
  const bool many = n_rows >= kManyRows;
  const Launch how{
      .grid = dim3(blocks_for(n_rows, many ? kThreads * kMostRows : kThreads), tables.n_outputs),
      .threads = kThreads,
      .shared_bytes = 0,
      .stream = stream,
      .place = "sums of leaves"};
  const auto kernel =
      tables.leaf_values != nullptr
          ? (many ? sum_kernel<Leaf, Sum, kMostRows, true> : sum_kernel<Leaf, Sum, 1, true>)
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
