// Trees of any size, walked node by node; and any tree for a few rows.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/leaf_grid.hpp"

namespace cordwood::cuda {

/// Of the device; the fields are those of `kernels::WalkModel`, nodes as kernels/tree_walk has them.
struct WalkTables {
  const uint64_t* nodes;
  const uint64_t* roots;  ///< [n_trees] the place where walks start
  const uint64_t* set_words;
  const uint64_t* column_set_bit;
  const uint32_t* column_set_step;
  uint32_t n_columns;
  uint32_t n_trees;
};

/// Writes the leaf that each row reaches in each tree; Leaf is uint8_t, uint16_t or uint32_t. `bins` has
/// 16 bits a bin, column c of row r at `bins[c * pitch + r]`. Trees are split over `tree_parts`.
template <class Leaf>
Status walk_trees(const WalkTables& tables, const uint16_t* bins, uint64_t pitch, uint64_t n_rows,
                  const LeafGrid<Leaf>& out, uint32_t tree_parts, uint64_t block_bytes,
                  cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
