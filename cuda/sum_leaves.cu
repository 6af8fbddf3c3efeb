// A thread has one row and one output and goes through the trees in their order, so that sums are those
// of one processor, bit for bit. The lanes of a warp read neighbouring leaves; values of a tree's leaves
// lie in a cache line or two.
#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/sum_leaves.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kSide = 32;  // of a square of leaf numbers that is transposed
constexpr uint32_t kSideRows = 8;

template <class Leaf, class Sum>
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const LeafTables<Sum> tables, const LeafGrid<Leaf> leaves, const uint64_t n_rows,
               const Sum* start, Sum* out) {
  const uint64_t row = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint32_t output = blockIdx.y;
  if (row >= n_rows) return;
  const uint32_t place = tables.width == 1 ? 0 : output;
  const uint64_t at = row * tables.n_outputs + output;
  Sum sum = start != nullptr ? start[at] : tables.base[output];
  const uint32_t end = tables.first_of_output[output + 1];
#pragma unroll 8
  for (uint32_t i = tables.first_of_output[output]; i < end; ++i) {
    const uint32_t tree = tables.output_trees[i];
    const uint32_t leaf = tables.first_leaf[tree] + leaves.at[tree * leaves.pitch + row];
    sum += tables.values[uint64_t{tables.leaf_row[leaf]} * tables.width + place];
  }
  out[at] = tables.divisor != 0 ? sum / tables.divisor : sum;
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
  const Launch how{.grid = dim3(blocks_for(n_rows, kThreads), tables.n_outputs),
                   .threads = kThreads,
                   .shared_bytes = 0,
                   .stream = stream,
                   .place = "sums of leaves"};
  return launch(sum_kernel<Leaf, Sum>, how, tables, leaves, n_rows, start, out);
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
