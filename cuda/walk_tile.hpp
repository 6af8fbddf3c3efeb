// What walks without category sets share: words that nodes compare bins with, and a block's tile of bins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/launch.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::cuda {

/// A column of bins as nodes compare them. NaN is the largest bin and goes right by itself; where it
/// goes left, bins and ranks are raised by one, and that of NaN wraps to zero.
struct WalkColumn {
  uint32_t column;
  uint32_t raise;
};

inline constexpr uint32_t kWalkColumns = 0x10000;

/// What no bin is more than: rows stay on the left.
inline constexpr uint32_t kNeverRight = 0xFFFF0000u;

/// Makes the words that nodes compare: bits 16-31 the rank, bits 0-15 the column among those that it
/// lists. A row goes right where `bin << 16 > word`.
class WalkTests {
 public:
  WalkTests(const format::TreeArrays& arrays, const plan::TreeColumns& columns);

  /// Of an inner node that is numeric.
  uint32_t test(uint64_t node);

  [[nodiscard]] const std::vector<WalkColumn>& listed() const noexcept { return listed_; }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFFu;

  const format::TreeArrays& arrays_;
  const plan::TreeColumns& columns_;
  bool raises_;
  std::vector<uint32_t> number_;
  std::vector<WalkColumn> listed_;
};

inline constexpr uint32_t kWalkWarps = 8;
inline constexpr uint32_t kWordRows = 2 * kWarp;  ///< of a word for each lane

constexpr uint64_t tile_bytes(uint64_t n_columns, uint32_t words) noexcept {
  return n_columns * words * kWarp * sizeof(uint32_t);
}

/// Words of a lane: two where a processor then still holds two blocks, which hide more.
constexpr uint32_t lane_words(uint64_t n_columns, uint64_t block_bytes) noexcept {
  return tile_bytes(n_columns, 2) <= block_bytes / 2 ? 2 : 1;
}

/// Rows of a block's tile: two or four a lane.
constexpr uint32_t walk_rows(uint64_t n_columns, uint64_t block_bytes) noexcept {
  return lane_words(n_columns, block_bytes) * kWordRows;
}

/// Whether a block's shared memory holds the bins of a tile.
constexpr bool walk_fits(uint64_t n_columns, uint64_t block_bytes) noexcept {
  return n_columns <= kWalkColumns && tile_bytes(n_columns, 1) <= block_bytes;
}

}  // namespace cordwood::cuda
