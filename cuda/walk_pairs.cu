// Each warp walks trees of its own, a lane two or four rows at once, so that their latencies overlap. No
// branch depends on a row; every few levels the warp looks whether all of its rows have arrived.
//
// Cost of a level and 32 rows: a node of 8 bytes from the caches, a word of shared memory, and their
// addresses, a comparison and an addition.
#include "cuda/walk_pairs.hpp"
#include "cuda/walk_tile.cuh"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kLook = 4;  // levels between two looks
constexpr uint32_t kEveryLane = 0xFFFFFFFFu;

/// One level of a lane's rows.
template <uint32_t kWords>
__device__ __forceinline__ void step(const PairNode* nodes, uint32_t offset,
                                     uint32_t (&place)[2 * kWords]) {
#pragma unroll
  for (uint32_t row = 0; row < 2 * kWords; ++row) {
    const uint2 node = __ldg(reinterpret_cast<const uint2*>(nodes + place[row]));
    place[row] = node.y + (goes_right<kWords>(offset, node.x, row) ? 1u : 0u);
  }
}

template <class Leaf, uint32_t kWords>
__global__ void __launch_bounds__(kWalkWarps* kWarp)
    pair_kernel(const PairTables tables, const uint16_t* bins, const uint64_t pitch,
                const LeafGrid<Leaf> out) {
  constexpr uint32_t kRows = 2 * kWords;
  const uint64_t first_row = uint64_t{blockIdx.x} * kWords * kWordRows;
  auto* const tile = reinterpret_cast<uint32_t*>(block_memory);
  load_tile<kWords>(tables.columns, tables.n_columns, bins + first_row, pitch, tile);

  const uint32_t lane = threadIdx.x;
  const uint32_t offset = lane_offset();
  const uint32_t first = static_cast<uint32_t>(uint64_t{tables.n_trees} * blockIdx.y / gridDim.y);
  const uint32_t end =
      static_cast<uint32_t>(uint64_t{tables.n_trees} * (blockIdx.y + 1) / gridDim.y);
  for (uint32_t tree = first + threadIdx.y; tree < end; tree += kWalkWarps) {
    uint32_t place[kRows];
#pragma unroll
    for (uint32_t row = 0; row < kRows; ++row) place[row] = tables.roots[tree];
    const uint32_t levels = tables.levels[tree];
    for (uint32_t level = 0; level < levels; level += kLook) {
#pragma unroll
      for (uint32_t i = 1; i < kLook; ++i) step<kWords>(tables.nodes, offset, place);
      uint32_t before[kRows];
#pragma unroll
      for (uint32_t row = 0; row < kRows; ++row) before[row] = place[row];
      step<kWords>(tables.nodes, offset, place);
      uint32_t moved = 0;
#pragma unroll
      for (uint32_t row = 0; row < kRows; ++row) moved |= before[row] ^ place[row];
      if (__any_sync(kEveryLane, moved != 0) == 0) break;
    }
    Leaf* const to = out.at + tree * out.pitch + first_row + lane;
#pragma unroll
    for (uint32_t row = 0; row < kRows; ++row) {
      to[row * kWarp] = static_cast<Leaf>(__ldg(tables.leaf + place[row]));
    }
  }
}

}  // namespace

template <class Leaf>
Status walk_pairs(const PairTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept {
  const WalkCall<Leaf> call{bins, pitch, n_rows, out, tree_parts, block_bytes, stream};
  return start_walk(pair_kernel<Leaf, 1>, pair_kernel<Leaf, 2>, tables, call);
}

template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint8_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint16_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint32_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;

}  // namespace cordwood::cuda
