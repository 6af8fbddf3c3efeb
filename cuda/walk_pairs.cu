// A block keeps the bins of 64 or 128 rows in shared memory, two rows of a lane in a word: whatever
// columns its nodes ask for, a lane's bank is its own. Each warp walks trees of its own, a lane two or
// four rows at once, so that their latencies overlap. No branch depends on a row; every few levels the
// warp looks whether all of its rows have arrived.
//
// Cost of a level and 32 rows: a node of 8 bytes from the caches, a word of shared memory, and their
// addresses, a comparison and an addition.
#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/walk_pairs.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kWarps = 8;
constexpr uint32_t kWordRows = 2 * kWarp;
constexpr uint32_t kLook = 4;  // levels between two looks
constexpr uint32_t kEveryLane = 0xFFFFFFFFu;

constexpr uint64_t shared_bytes(uint32_t n_columns, uint32_t words) noexcept {
  return uint64_t{n_columns} * words * kWarp * sizeof(uint32_t);
}

/// Words of a lane: two where a processor then still holds two blocks, which hide more.
constexpr uint32_t lane_words(uint32_t n_columns, uint64_t block_bytes) noexcept {
  return shared_bytes(n_columns, 2) <= block_bytes / 2 ? 2 : 1;
}

/// The bins of a tile, as nodes compare them.
template <uint32_t kWords>
__device__ __forceinline__ void load_tile(const PairTables& tables, const uint16_t* bins,
                                          uint64_t pitch, uint32_t* words) {
  const uint32_t lane = threadIdx.x % kWarp;
  for (uint32_t c = threadIdx.x / kWarp; c < tables.n_columns; c += kWarps) {
    const PairColumn column = tables.columns[c];
    const uint16_t* at = bins + column.column * pitch + lane;
#pragma unroll
    for (uint32_t w = 0; w < kWords; ++w, at += kWordRows) {
      const uint32_t low = (at[0] + column.raise) & 0xFFFFu;
      const uint32_t high = (at[kWarp] + column.raise) & 0xFFFFu;
      words[(c * kWords + w) * kWarp + lane] = low | high << 16;
    }
  }
}

/// One level of a lane's rows; `words` are the lane's.
template <uint32_t kWords>
__device__ __forceinline__ void step(const PairNode* nodes, const uint32_t* words,
                                     uint32_t (&place)[2 * kWords]) {
#pragma unroll
  for (uint32_t row = 0; row < 2 * kWords; ++row) {
    const uint2 node = __ldg(reinterpret_cast<const uint2*>(nodes + place[row]));
    const uint32_t word = words[(node.x & 0xFFFFu) * (kWords * kWarp) + row / 2 * kWarp];
    const uint32_t bin = row % 2 == 0 ? word << 16 : word & 0xFFFF0000u;
    place[row] = node.y + (bin > node.x ? 1u : 0u);
  }
}

template <class Leaf, uint32_t kWords>
__global__ void __launch_bounds__(kWarps* kWarp)
    pair_kernel(const PairTables tables, const uint16_t* bins, const uint64_t pitch,
                const LeafGrid<Leaf> out) {
  constexpr uint32_t kRows = 2 * kWords;
  const uint64_t first_row = uint64_t{blockIdx.x} * kWords * kWordRows;
  auto* const tile = reinterpret_cast<uint32_t*>(block_memory);
  load_tile<kWords>(tables, bins + first_row, pitch, tile);
  __syncthreads();

  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t* const words = tile + lane;
  const uint32_t first = static_cast<uint32_t>(uint64_t{tables.n_trees} * blockIdx.y / gridDim.y);
  const uint32_t end =
      static_cast<uint32_t>(uint64_t{tables.n_trees} * (blockIdx.y + 1) / gridDim.y);
  for (uint32_t tree = first + threadIdx.x / kWarp; tree < end; tree += kWarps) {
    uint32_t place[kRows];
#pragma unroll
    for (uint32_t row = 0; row < kRows; ++row) place[row] = tables.roots[tree];
    const uint32_t levels = tables.levels[tree];
    for (uint32_t level = 0; level < levels; level += kLook) {
#pragma unroll
      for (uint32_t i = 1; i < kLook; ++i) step<kWords>(tables.nodes, words, place);
      uint32_t before[kRows];
#pragma unroll
      for (uint32_t row = 0; row < kRows; ++row) before[row] = place[row];
      step<kWords>(tables.nodes, words, place);
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

uint32_t pair_rows(uint32_t n_columns, uint64_t block_bytes) noexcept {
  return lane_words(n_columns, block_bytes) * kWordRows;
}

bool pairs_fit(uint32_t n_columns, uint64_t block_bytes) noexcept {
  return n_columns <= kPairColumns && shared_bytes(n_columns, 1) <= block_bytes;
}

template <class Leaf>
Status walk_pairs(const PairTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept {
  const uint32_t words = lane_words(tables.n_columns, block_bytes);
  const Launch how{.grid = dim3(blocks_for(n_rows, words * kWordRows), tree_parts),
                   .threads = kWarps * kWarp,
                   .shared_bytes = shared_bytes(tables.n_columns, words),
                   .stream = stream,
                   .place = "walk of trees"};
  const auto kernel = words == 2 ? pair_kernel<Leaf, 2> : pair_kernel<Leaf, 1>;
  return launch(kernel, how, tables, bins, pitch, out);
}

template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint8_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint16_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_pairs(const PairTables&, const uint16_t*, uint64_t, uint64_t,
                           const LeafGrid<uint32_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;

}  // namespace cordwood::cuda
