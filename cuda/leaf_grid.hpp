// Where leaves lie between the kernels that find them and those that answer from them.
#pragma once

#include <cstdint>

namespace cordwood::cuda {

/// Leaf of tree t that row r reaches, counted from the tree's left: `at[t * pitch + r]`. Rows behind the
/// last one have some leaf of the tree, too, up to a multiple of four rows.
template <class Leaf>
struct LeafGrid {
  Leaf* at;
  uint64_t pitch;  ///< a multiple of the tile of whichever kernel finds leaves
};

/// Rows are padded to so many: the largest tile of any kernel.
inline constexpr uint64_t kTileRows = 1024;

}  // namespace cordwood::cuda
