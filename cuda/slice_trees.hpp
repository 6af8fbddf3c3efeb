// Trees of up to 64 leaves, evaluated whole for 32 rows at a time in each lane.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/leaf_grid.hpp"

namespace cordwood::cuda {

inline constexpr uint32_t kSliceLeaves = 64;

/// Words of one bit a row that a tile keeps of a column. Words of conditions are numbered; number 0 is
/// all zeros.
struct SliceColumn {
  uint32_t column;
  uint16_t first_high;  ///< word of `bin / 16 > -1`, which is all ones, and those of 0, 1, ...
  uint16_t n_high;
  uint16_t first_low;  ///< word of `bin % 16 > 0` and those of 1, 2, ...
  uint16_t n_low;
  uint16_t first_set;  ///< category: word of its first set
  uint16_t n_sets;
  uint32_t first_table;  ///< category: its first set among all, 256 bits each
};

/// An inner node: where its words lie, as bytes from a lane's first one, so that a shift that adds gives
/// their addresses. Each place is in the upper bits of its word; the lower bits of `below` have that of
/// the node's own reached word. Reached words are numbered, too: 0 is all zeros, 1 all ones, 2 + i that of
/// node i.
struct alignas(16) SliceNode {
  uint32_t high;  ///< condition: words[high] | (words[high - 1] & words[low])
  uint32_t low;
  uint32_t above;
  uint32_t below;
};

inline constexpr uint32_t kPlaceShift = 14;
/// Shared memory that places reach: more than a block of any device has.
inline constexpr uint64_t kPlaceBytes = uint64_t{1} << (32 - kPlaceShift);

inline constexpr uint32_t kSlotsAtOnce = 4;

inline constexpr uint32_t kReachedZeros = 0;
inline constexpr uint32_t kReachedOnes = 1;
inline constexpr uint32_t kFirstReached = 2;

/// Of the device. Trees that lanes of one warp evaluate side by side form a group; slot s of a group has
/// a node of each of its trees, side by side, parents before children. Trees of fewer nodes are filled up
/// with nodes that no row reaches behind, to a multiple of kSlotsAtOnce.
struct SliceTables {
  const SliceColumn* columns;
  const uint32_t* sets;  ///< [n][8]
  const SliceNode* nodes;
  const uint32_t* first_node;  ///< [n_groups + 1]
  uint32_t n_columns;
  uint32_t n_words;  ///< of conditions
  uint32_t n_trees;
  uint32_t n_groups;
  uint32_t most_slots;  ///< of any group
};

/// How a tile is cut: lanes that rows take, 32 rows each. The others go to further trees.
struct SliceShape {
  uint32_t lanes;  ///< 32, 16 or 8
  uint32_t warps;

  [[nodiscard]] constexpr uint32_t rows() const noexcept { return 32 * lanes; }
  [[nodiscard]] constexpr uint32_t group() const noexcept { return 32 / lanes; }
};

/// Shared memory of a block.
[[nodiscard]] uint64_t slice_shared_bytes(const SliceShape& shape, uint32_t n_words,
                                          uint32_t most_slots) noexcept;

/// The largest tile, with the most warps, that the memory of a block allows; no warps where none fits.
[[nodiscard]] SliceShape slice_shape(uint32_t n_words, uint32_t most_slots,
                                     uint64_t block_bytes) noexcept;

/// Writes the leaf that each row reaches in each tree. `bins` are bytes, column c of row r at
/// `bins[c * pitch + r]`; the pitch is a whole number of tiles.
Status slice_trees(const SliceTables& tables, const SliceShape& shape, const uint8_t* bins,
                   uint64_t pitch, uint64_t n_rows, const LeafGrid<uint8_t>& out,
                   uint32_t tree_parts, cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
