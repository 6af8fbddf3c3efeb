// A block keeps the bins of 64 or 128 rows in shared memory, two rows of a lane in a word: whatever
// columns its nodes ask for, a lane's bank is its own. Blocks have a lane in x and a warp in y.
#pragma once

#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/opaque.cuh"
#include "cuda/walk_tile.hpp"

namespace cordwood::cuda {

/// Brings the bins of a tile, as nodes compare them; the whole block calls it.
template <uint32_t kWords>
__device__ __forceinline__ void load_tile(const WalkColumn* columns, uint32_t n_columns,
                                          const uint16_t* bins, uint64_t pitch, uint32_t* tile) {
  const uint32_t lane = threadIdx.x;
  for (uint32_t c = threadIdx.y; c < n_columns; c += kWalkWarps) {
    const WalkColumn column = columns[c];
    const uint16_t* at = bins + column.column * pitch + lane;
#pragma unroll
    for (uint32_t w = 0; w < kWords; ++w, at += kWordRows) {
      const uint32_t low = (at[0] + column.raise) & 0xFFFFu;
      const uint32_t high = (at[kWarp] + column.raise) & 0xFFFFu;
      tile[(c * kWords + w) * kWarp + lane] = low | high << 16;
    }
  }
  __syncthreads();
}

/// What walks are asked for.
template <class Leaf>
struct WalkCall {
  const uint16_t* bins;
  uint64_t pitch;
  uint64_t n_rows;
  LeafGrid<Leaf> out;
  uint32_t tree_parts;
  uint64_t block_bytes;
  cudaStream_t stream;
};

/// Starts the kernel for one word a lane, or for two where their tile fits.
template <class Kernel, class Tables, class Leaf>
Status start_walk(Kernel* one_word, Kernel* two_words, const Tables& tables,
                  const WalkCall<Leaf>& call) noexcept {
  const uint32_t words = lane_words(tables.n_columns, call.block_bytes);
  const Launch how{.grid = dim3(blocks_for(call.n_rows, words * kWordRows), call.tree_parts),
                   .threads = dim3(kWarp, kWalkWarps),
                   .shared_bytes = tile_bytes(tables.n_columns, words),
                   .stream = call.stream,
                   .place = "walk of trees"};
  return launch(words == 2 ? two_words : one_word, how, tables, call.bins, call.pitch, call.out);
}

/// Where a lane's words begin, in bytes.
__device__ __forceinline__ uint32_t lane_offset() {
  return opaque(threadIdx.x * static_cast<uint32_t>(sizeof(uint32_t)));
}

/// Whether a lane's row goes right.
template <uint32_t kWords>
__device__ __forceinline__ bool goes_right(uint32_t lane_offset, uint32_t test, uint32_t row) {
  constexpr uint32_t kWordBytes = kWarp * sizeof(uint32_t);
  const uint32_t column = opaque(test & (kWalkColumns - 1));
  const uint32_t at = lane_offset + column * (kWords * kWordBytes);
  const uint32_t word =
      *reinterpret_cast<const uint32_t*>(block_memory + at + row / 2 * kWordBytes);
  const uint32_t bin = row % 2 == 0 ? word << 16 : word & 0xFFFF0000u;
  return bin > test;
}

}  // namespace cordwood::cuda
