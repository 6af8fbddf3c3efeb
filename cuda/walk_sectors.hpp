// Large trees without category sets, walked three levels at a time: a record of 32 bytes, which is what a
// device reads of its memory at once, holds a subtree of three levels.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/walk_tile.hpp"

namespace cordwood::cuda {

/// Up to seven nodes as a heap, child 2i + 1 to the left and 2i + 2 to the right. Rows leave it by one of
/// eight exits, bit 7 the leftmost; a leaf above the last level keeps its rows to the left from there on.
struct alignas(32) SectorNodes {
  uint32_t tests[7];  ///< of WalkTests; kNeverRight where there is no node
  uint32_t below;     ///< records behind exits: bits 8-31 the one before them, bits 0-7 which exits
};

inline constexpr uint32_t kSectorExits = 8;
/// Records of a tree are counted from its root; so are leaves, record by record and exit by exit.
inline constexpr uint64_t kSectorMost = uint64_t{1} << 24;

/// Of the device.
struct SectorTables {
  const SectorNodes* records;  ///< of all trees
  const uint32_t* leaves;  ///< by record: bits 8-31 its first leaf, bits 0-7 which exits have one
  const uint32_t* roots;   ///< [n_trees]
  const WalkColumn* columns;
  uint32_t n_columns;
  uint32_t n_trees;
};

/// Writes the leaf that each row reaches in each tree, in the order of SectorPlan; Leaf is uint8_t,
/// uint16_t or uint32_t. `bins` has 16 bits a bin, column c of row r at `bins[c * pitch + r]`. Trees are
/// split over `tree_parts`.
template <class Leaf>
Status walk_sectors(const SectorTables& tables, const uint16_t* bins, uint64_t pitch,
                    uint64_t n_rows, const LeafGrid<Leaf>& out, uint32_t tree_parts,
                    uint64_t block_bytes, cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
