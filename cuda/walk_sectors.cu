// Each warp walks trees of its own, a lane two or four rows at once, so that their latencies overlap. A
// record is read whole, then its three levels are decided from registers and shared memory. A row that
// has arrived decides its last record again, which changes nothing, so that no branch depends on a row.
//
// Cost of three levels and 32 rows: a sector of 32 bytes from the caches, three words of shared memory, and
// a count of bits that finds the next record among those behind the exits.
#include "cuda/walk_sectors.hpp"
#include "cuda/walk_tile.cuh"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kEveryLane = 0xFFFFFFFFu;

/// Which exits stand in bits 0-7 of a word, from the one in question, bit 0, to the first.
__device__ __forceinline__ uint32_t exits_to(uint32_t word, uint32_t exits_after) {
  return (word & 0xFFu) >> exits_after;
}

/// What bits 8-31 of a word count, and one for each of the exits.
__device__ __forceinline__ uint32_t count_on(uint32_t word, uint32_t exits) {
  return (word >> kSectorExits) + static_cast<uint32_t>(__popc(exits));
}

/// How many exits of a record come after the one that a lane's row takes.
template <uint32_t kWords>
__device__ __forceinline__ uint32_t leave(const uint4& upper, const uint4& lower, uint32_t offset,
                                          uint32_t row) {
  const bool first = goes_right<kWords>(offset, upper.x, row);
  const bool second = goes_right<kWords>(offset, first ? upper.z : upper.y, row);
  const uint32_t left = first ? lower.y : upper.w;
  const uint32_t right = first ? lower.z : lower.x;
  const bool third = goes_right<kWords>(offset, second ? right : left, row);
  return (first ? 0u : 4u) + (second ? 0u : 2u) + (third ? 0u : 1u);
}

template <class Leaf, uint32_t kWords>
__global__ void __launch_bounds__(kWalkWarps* kWarp)
    sector_kernel(const SectorTables tables, const uint16_t* bins, const uint64_t pitch,
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
    const uint32_t root = tables.roots[tree];
    const SectorNodes* const records = opaque(tables.records + root);
    uint32_t record[kRows] = {};
    uint32_t after[kRows];
    uint32_t moved;
    do {
      moved = 0;
#pragma unroll
      for (uint32_t row = 0; row < kRows; ++row) {
        const auto* const at = reinterpret_cast<const uint4*>(records + record[row]);
        const uint4 upper = __ldg(at);
        const uint4 lower = __ldg(at + 1);
        after[row] = leave<kWords>(upper, lower, offset, row);
        const uint32_t exits = exits_to(lower.w, after[row]);
        if ((exits & 1u) != 0) record[row] = count_on(lower.w, exits);
        moved |= exits & 1u;
      }
    } while (__any_sync(kEveryLane, moved != 0) != 0);
    Leaf* const to = out.at + tree * out.pitch + first_row + lane;
#pragma unroll
    for (uint32_t row = 0; row < kRows; ++row) {
      const uint32_t leaves = __ldg(tables.leaves + root + record[row]);
      to[row * kWarp] = static_cast<Leaf>(count_on(leaves, exits_to(leaves, after[row])) - 1);
    }
  }
}

}  // namespace

template <class Leaf>
Status walk_sectors(const SectorTables& tables, const uint16_t* bins, uint64_t pitch,
                    uint64_t n_rows, const LeafGrid<Leaf>& out, uint32_t tree_parts,
                    uint64_t block_bytes, cudaStream_t stream) noexcept {
  const WalkCall<Leaf> call{bins, pitch, n_rows, out, tree_parts, block_bytes, stream};
  return start_walk(sector_kernel<Leaf, 1>, sector_kernel<Leaf, 2>, tables, call);
}

template Status walk_sectors(const SectorTables&, const uint16_t*, uint64_t, uint64_t,
                             const LeafGrid<uint8_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_sectors(const SectorTables&, const uint16_t*, uint64_t, uint64_t,
                             const LeafGrid<uint16_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;
template Status walk_sectors(const SectorTables&, const uint16_t*, uint64_t, uint64_t,
                             const LeafGrid<uint32_t>&, uint32_t, uint64_t, cudaStream_t) noexcept;

}  // namespace cordwood::cuda
