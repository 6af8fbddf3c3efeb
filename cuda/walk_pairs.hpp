// Trees without category sets, walked as pairs of siblings: the left child's place and one bit give the
// next place, and a leaf is its own left child, so that a walk needs no branch.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/leaf_grid.hpp"

namespace cordwood::cuda {

/// A node. Rows go right where `bin << 16 > test`; no bin is that much at a leaf.
struct PairNode {
  uint32_t test;  ///< bits 16-31 the rank, bits 0-15 the column among those of PairTables
  uint32_t left;  ///< place of the left child, the right one is the next; at a leaf its own
};

inline constexpr uint32_t kPairColumns = 0x10000;

/// A column of bins as nodes compare them. NaN is the largest bin and goes right by itself; where it
/// goes left, bins and ranks are raised by one, and that of NaN wraps to zero.
struct PairColumn {
  uint32_t column;
  uint32_t raise;
};

/// Of the device.
struct PairTables {
  const PairNode* nodes;   ///< of all trees
  const uint32_t* leaf;    ///< by node: a leaf's number, from the tree's left
  const uint32_t* roots;   ///< [n_trees]
  const uint32_t* levels;  ///< [n_trees] inner nodes of the longest path
  const PairColumn* columns;
  uint32_t n_columns;
  uint32_t n_trees;
};

/// Rows of a block's tile: two or four a lane.
[[nodiscard]] uint32_t pair_rows(uint32_t n_columns, uint64_t block_bytes) noexcept;

/// Whether a block's shared memory holds the bins of a tile.
[[nodiscard]] bool pairs_fit(uint32_t n_columns, uint64_t block_bytes) noexcept;

/// Writes the leaf that each row reaches in each tree; Leaf is uint8_t, uint16_t or uint32_t. `bins` has
/// 16 bits a bin, column c of row r at `bins[c * pitch + r]`. Trees are split over `tree_parts`.
template <class Leaf>
Status walk_pairs(const PairTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
