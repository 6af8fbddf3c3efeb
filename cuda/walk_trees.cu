// A block keeps the bins of 64 rows in shared memory, where a lane finds those of its two rows in one
// word: whatever columns its nodes ask for, its bank is its own. Each warp walks trees of its own.
//
// Cost of a level and 32 rows: a node of 8 bytes from the caches, a word of shared memory, some 20
// operations. Two walks a lane hide part of each other's latency.
#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/walk_trees.hpp"
#include "kernels/tree_walk/step.h"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kWarps = 8;
constexpr uint32_t kBlockRows = 2 * kWarp;

/// Bins of a lane's two rows: packed in shared memory, or where they lie.
struct PackedBins {
  const uint32_t* words;  ///< the lane's, kWarp apart

  __device__ __forceinline__ uint32_t bin(uint32_t column, uint32_t which) const {
    return words[column * kWarp] >> (16 * which) & 0xFFFFu;
  }
};
struct FarBins {
  const uint16_t* bins;  ///< of the lane's first row
  uint64_t pitch;

  __device__ __forceinline__ uint32_t bin(uint32_t column, uint32_t which) const {
    return bins[column * pitch + which * kWarp];
  }
};

template <class Bins>
__device__ __forceinline__ uint64_t step(const WalkTables& tables, const Bins& bins, uint64_t place,
                                         uint32_t which) {
  const uint64_t node = __ldg(tables.nodes + cordwood_walk_node(place));
  const auto column = static_cast<uint32_t>(node >> CORDWOOD_WALK_COLUMN_SHIFT);
  const uint32_t bin = bins.bin(column, which);
  uint32_t right = cordwood_walk_goes_right(node, bin);
  if ((node >> CORDWOOD_WALK_CATEGORY_SHIFT & 1u) != 0) {
    right = cordwood_walk_set_goes_right(node, bin, tables.set_words, tables.column_set_bit[column],
                                         tables.column_set_step[column]);
  }
  return cordwood_walk_next(node, place, right);
}

template <class Leaf, class Bins>
__device__ __forceinline__ void walk(const WalkTables& tables, const Bins& bins, uint64_t n_rows,
                                     uint64_t first_row, const LeafGrid<Leaf>& out) {
  const uint32_t first = static_cast<uint32_t>(uint64_t{tables.n_trees} * blockIdx.y / gridDim.y);
  const uint32_t end =
      static_cast<uint32_t>(uint64_t{tables.n_trees} * (blockIdx.y + 1) / gridDim.y);
  const bool second = first_row + kWarp < n_rows;
  for (uint32_t tree = first + threadIdx.x / kWarp; tree < end; tree += kWarps) {
    const uint64_t root = __ldg(tables.roots + tree);
    uint64_t place[2] = {root, root};
    bool arrived[2] = {first_row >= n_rows || cordwood_walk_arrived(root) != 0,
                       !second || cordwood_walk_arrived(root) != 0};
    while (!arrived[0] || !arrived[1]) {
#pragma unroll
      for (uint32_t which = 0; which < 2; ++which) {
        if (arrived[which]) continue;
        place[which] = step(tables, bins, place[which], which);
        arrived[which] = cordwood_walk_arrived(place[which]) != 0;
      }
    }
    Leaf* const to = out.at + tree * out.pitch + first_row;
    to[0] = static_cast<Leaf>(cordwood_walk_leaf(place[0]));
    to[kWarp] = static_cast<Leaf>(cordwood_walk_leaf(place[1]));
  }
}

template <class Leaf>
__global__ void __launch_bounds__(kWarps* kWarp)
    walk_kernel(const WalkTables tables, const uint16_t* bins, const uint64_t pitch,
                const uint64_t n_rows, const LeafGrid<Leaf> out) {
  const uint32_t lane = threadIdx.x % kWarp;
  const uint64_t first_row = uint64_t{blockIdx.x} * kBlockRows + lane;
  auto* const words = reinterpret_cast<uint32_t*>(block_memory);
  for (uint32_t column = threadIdx.x / kWarp; column < tables.n_columns; column += kWarps) {
    const uint16_t* at = bins + column * pitch + first_row;
    words[column * kWarp + lane] = at[0] | uint32_t{at[kWarp]} << 16;
  }
  __syncthreads();
  walk(tables, PackedBins{words + lane}, n_rows, first_row, out);
}

/// Where there are too many columns for shared memory.
template <class Leaf>
__global__ void __launch_bounds__(kWarps* kWarp)
    walk_far_kernel(const WalkTables tables, const uint16_t* bins, const uint64_t pitch,
                    const uint64_t n_rows, const LeafGrid<Leaf> out) {
  const uint64_t first_row = uint64_t{blockIdx.x} * kBlockRows + threadIdx.x % kWarp;
  walk(tables, FarBins{bins + first_row, pitch}, n_rows, first_row, out);
}

}  // namespace

template <class Leaf>
Status walk_trees(const WalkTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept {
  const uint64_t shared = uint64_t{tables.n_columns} * kWarp * sizeof(uint32_t);
  const bool near = shared <= block_bytes;
  const Launch how{.grid = dim3(blocks_for(n_rows, kBlockRows), tree_parts),
                   .threads = kWarps * kWarp,
                   .shared_bytes = near ? shared : 0,
                   .stream = stream,
                   .place = "walk of trees"};
  const auto kernel = near ? walk_kernel<Leaf> : walk_far_kernel<Leaf>;
  return launch(kernel, how, tables, bins, pitch, n_rows, out);
}

template Status walk_trees(const WalkTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint8_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_trees(const WalkTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint16_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_trees(const WalkTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint32_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;

}  // namespace cordwood::cuda
