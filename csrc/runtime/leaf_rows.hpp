// The row of leaf values of every leaf, in as few bits as the largest number takes: forests have
// millions of leaves and often few different ones.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/aligned.hpp"
#include "format/trees.hpp"

namespace cordwood::runtime {

class LeafRows {
 public:
  /// Leaves of all trees, tree by tree, from left to right. May throw std::bad_alloc.
  explicit LeafRows(const format::TreeArrays& arrays)
      : width_(static_cast<uint32_t>(
            std::bit_width(std::max<uint64_t>(arrays.attributes.n_leaf_rows, 1) - 1))) {
    const uint64_t n_leaves = (arrays.right.size() + arrays.attributes.n_trees) / 2;
    bytes_.resize(((n_leaves + 1) * width_ + 7) / 8 +
                  sizeof(uint64_t));  // `of` reads eight at a time
    uint64_t leaf = 0;
    for (size_t node = 0; node < arrays.right.size(); ++node) {
      // No branch on what no processor foresees: an inner node puts nothing where the next leaf goes.
      const uint32_t is_leaf = arrays.right[node] == 0 ? 1 : 0;
      put(leaf, arrays.rank[node] & (0 - is_leaf));
      leaf += is_leaf;
    }
  }

  [[nodiscard]] uint32_t of(uint64_t leaf) const noexcept {
    const uint64_t bit = leaf * width_;
    return static_cast<uint32_t>(word(bit) >> (bit % 8) & ((uint64_t{1} << width_) - 1));
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept { return bytes_.size(); }

 private:
  [[nodiscard]] uint64_t word(uint64_t bit) const noexcept {
    uint64_t value;
    std::memcpy(&value, bytes_.data() + bit / 8, sizeof value);
    return value;
  }

  void put(uint64_t leaf, uint32_t row) noexcept {
    const uint64_t bit = leaf * width_;
    const uint64_t value = word(bit) | uint64_t{row} << (bit % 8);
    std::memcpy(bytes_.data() + bit / 8, &value, sizeof value);
  }

  uint32_t width_;
  AlignedVector<uint8_t> bytes_;
};

}  // namespace cordwood::runtime
