// Trees without category sets, walked as pairs of siblings: the left child's place and one bit give the
// next place, and a leaf is its own left child, so that a walk needs no branch.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/walk_tile.hpp"

namespace cordwood::cuda {

struct PairNode {
  uint32_t test;  ///< of WalkTests; kNeverRight at a leaf
  uint32_t left;  ///< place of the left child, the right one is the next; at a leaf its own
};

/// Of the device.
struct PairTables {
  const PairNode* nodes;   ///< of all trees
  const uint32_t* leaf;    ///< by node: a leaf's number, from the tree's left
  const uint32_t* roots;   ///< [n_trees]
  const uint32_t* levels;  ///< [n_trees] inner nodes of the longest path
  const WalkColumn* columns;
  uint32_t n_columns;
  uint32_t n_trees;
};

/// Writes the leaf that each row reaches in each tree; Leaf is uint8_t, uint16_t or uint32_t. `bins` has
/// 16 bits a bin, column c of row r at `bins[c * pitch + r]`. Trees are split over `tree_parts`.
template <class Leaf>
Status walk_pairs(const PairTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
