// A block takes a tile of rows: it makes the words of all columns in shared memory once, and then each
// warp evaluates trees of its own on them.
//
// Cost of a node: 16 bytes of its record, the same for all lanes, five loads and one store of shared
// memory without conflicts, three operations of logic and five for addresses: 16 instructions on
// sm_90a, loop included. Shared memory binds: some 7 cycles a node and 1024 rows, and 64 to read the
// thermometer and write the leaves.
#include <type_traits>

#include "cuda/block_memory.cuh"
#include "cuda/launch.hpp"
#include "cuda/slice_step.cuh"
#include "cuda/slice_trees.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kPlanes = 6;
constexpr uint32_t kMostWarps = 16;
constexpr uint32_t kOwnPlace = (1u << kPlaceShift) - 1;
static_assert((kFirstReached + kSliceLeaves) * kWarp * sizeof(uint32_t) <= kOwnPlace);

/// 32 rows of a column.
__device__ __forceinline__ void load_bins(const uint8_t* at, uint32_t (&words)[8]) {
  const uint4 bytes[2] = {reinterpret_cast<const uint4*>(at)[0],
                          reinterpret_cast<const uint4*>(at)[1]};
  split(bytes, words);
}

/// The words of one column, each `kLanes` apart.
template <uint32_t kLanes>
__device__ __forceinline__ void make_words(const SliceTables& tables, const SliceColumn& column,
                                           const uint8_t* bins, uint32_t* words) {
  uint32_t planes[8];
  load_bins(bins, planes);
  for (uint32_t set = 0; set < column.n_sets; ++set) {
    words[(column.first_set + set) * kLanes] =
        members(planes, tables.sets + (column.first_table + set) * 8);
  }
  if (column.n_high == 0) return;
  transpose(planes);
#pragma unroll
  for (uint32_t i = 0; i < 17; ++i) {
    if (i < column.n_high) {
      words[(column.first_high + i) * kLanes] = more_than(planes + 4, static_cast<int32_t>(i) - 1);
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < 16; ++i) {
    if (i < column.n_low) {
      words[(column.first_low + i) * kLanes] = more_than(planes, static_cast<int32_t>(i));
    }
  }
}

template <class Word>
__device__ __forceinline__ Word* placed(Word* first, uint32_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<Word>, const char, char>;
  return reinterpret_cast<Word*>(reinterpret_cast<Byte*>(first) + bytes);
}

/// Slots whose conditions do not wait for each other.
template <uint32_t kLanes>
__device__ __forceinline__ void evaluate_some(const SliceNode* nodes, const uint32_t* words,
                                              uint32_t* reached) {
  constexpr uint32_t kGroup = kWarp / kLanes;
  uint4 node[kSlotsAtOnce];
  uint32_t condition[kSlotsAtOnce];
#pragma unroll
  for (uint32_t i = 0; i < kSlotsAtOnce; ++i) {
    node[i] = __ldg(reinterpret_cast<const uint4*>(nodes + i * kGroup));
  }
#pragma unroll
  for (uint32_t i = 0; i < kSlotsAtOnce; ++i) {
    const uint32_t* high = placed(words, node[i].x >> kPlaceShift);
    condition[i] = high[0] | (*(high - kLanes) & *placed(words, node[i].y >> kPlaceShift));
  }
#pragma unroll
  for (uint32_t i = 0; i < kSlotsAtOnce; ++i) {
    const uint32_t above = *placed(reached, node[i].z >> kPlaceShift);
    const uint32_t below = *placed(reached, node[i].w >> kPlaceShift);
    *placed(reached, node[i].w & kOwnPlace) = (condition[i] | above) & below;
  }
}

/// Evaluates the trees of one group, one a lane group; `reached` has the warp's words, kWarp apart.
template <uint32_t kLanes>
__device__ __forceinline__ void evaluate(const SliceNode* nodes, uint32_t n_slots,
                                         const uint32_t* words, uint32_t* reached) {
  constexpr uint32_t kGroup = kWarp / kLanes;
#pragma unroll 1
  for (; n_slots != 0; n_slots -= kSlotsAtOnce) {
    evaluate_some<kLanes>(nodes, words, reached);
    nodes += kSlotsAtOnce * kGroup;
  }
}

template <uint32_t kLanes>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    slice_kernel(const SliceTables tables, const uint8_t* bins, const uint64_t pitch,
                 const LeafGrid<uint8_t> out) {
  constexpr uint32_t kGroup = kWarp / kLanes;
  const uint32_t n_warps = blockDim.x / kWarp;
  const uint32_t warp = threadIdx.x / kWarp;
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t part = lane / kLanes;  // which tree of a group
  const uint32_t sub = lane % kLanes;   // which 32 rows of the tile
  const uint64_t first_row = (uint64_t{blockIdx.x} * kLanes + sub) * 32;

  auto* const all_words = reinterpret_cast<uint32_t*>(block_memory);
  uint32_t* const words = all_words + sub;
  uint32_t* const reached = all_words + tables.n_words * kLanes +
                            warp * (kFirstReached + tables.most_slots) * kWarp + lane;
  for (uint32_t c = warp * kGroup + part; c < tables.n_columns; c += n_warps * kGroup) {
    const SliceColumn column = tables.columns[c];
    make_words<kLanes>(tables, column, bins + column.column * pitch + first_row, words);
  }
  if (warp == 0 && part == 0) words[0] = 0;
  reached[kReachedZeros * kWarp] = 0;
  reached[kReachedOnes * kWarp] = 0xFFFFFFFFu;
  __syncthreads();

  const uint32_t parts = gridDim.y;
  const uint32_t first = static_cast<uint32_t>(uint64_t{tables.n_groups} * blockIdx.y / parts);
  const uint32_t end = static_cast<uint32_t>(uint64_t{tables.n_groups} * (blockIdx.y + 1) / parts);
  for (uint32_t group = first + warp; group < end; group += n_warps) {
    const uint32_t node = tables.first_node[group];
    const uint32_t n_slots = (tables.first_node[group + 1] - node) / kGroup;
    evaluate<kLanes>(tables.nodes + node + part, n_slots, words, reached);
    uint32_t planes[8] = {};
    count_thermometer<kPlanes>(reached + kFirstReached * kWarp, n_slots, kWarp, planes);
    const uint32_t tree = group * kGroup + part;
    if (tree >= tables.n_trees) continue;
    transpose(planes);
    auto* const to = reinterpret_cast<uint4*>(out.at + tree * out.pitch + first_row);
    to[0] = make_uint4(planes[0], planes[1], planes[2], planes[3]);
    to[1] = make_uint4(planes[4], planes[5], planes[6], planes[7]);
  }
}

}  // namespace

uint64_t slice_shared_bytes(const SliceShape& shape, uint32_t n_words,
                            uint32_t most_slots) noexcept {
  const uint64_t reached = uint64_t{shape.warps} * (kFirstReached + most_slots) * kWarp;
  return (uint64_t{n_words} * shape.lanes + reached) * sizeof(uint32_t);
}

SliceShape slice_shape(uint32_t n_words, uint32_t most_slots, uint64_t block_bytes) noexcept {
  block_bytes = block_bytes < kPlaceBytes ? block_bytes : kPlaceBytes;
  // Fewer warps cannot hide the latency of shared memory: a smaller tile is the better.
  for (const uint32_t fewest : {8u, 4u}) {
    for (const uint32_t lanes : {32u, 16u, 8u}) {
      for (uint32_t warps = kMostWarps; warps >= fewest; warps /= 2) {
        const SliceShape shape{lanes, warps};
        if (slice_shared_bytes(shape, n_words, most_slots) <= block_bytes) return shape;
      }
    }
  }
  return {8, 0};
}

Status slice_trees(const SliceTables& tables, const SliceShape& shape, const uint8_t* bins,
                   uint64_t pitch, uint64_t n_rows, const LeafGrid<uint8_t>& out,
                   uint32_t tree_parts, cudaStream_t stream) noexcept {
  const Launch how{.grid = dim3(blocks_for(n_rows, shape.rows()), tree_parts),
                   .threads = shape.warps * kWarp,
                   .shared_bytes = slice_shared_bytes(shape, tables.n_words, tables.most_slots),
                   .stream = stream,
                   .place = "evaluation of trees"};
  const auto kernel = shape.lanes == 32   ? slice_kernel<32>
                      : shape.lanes == 16 ? slice_kernel<16>
                                          : slice_kernel<8>;
  return launch(kernel, how, tables, bins, pitch, out);
}

}  // namespace cordwood::cuda
