// Ranks of nodes, each written within what its ancestors leave open.
//
//   x <= cut 7            a node below on the left, of the same column: rank 0 to 6
//     x <= cut 3          one on the right of that: rank 4 to 6, so three are open
//
// A number below n takes floor(log2 n) bits or one more; docs/format.md, "Ranks", is normative.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bits.hpp"
#include "base/result.hpp"

namespace cordwood::format {

/// The ranks that are open to the node where a walk in preorder stands, column by column.
class OpenRanks {
 public:
  struct Range {
    uint32_t begin;
    uint32_t end;
    bool nests;  ///< narrowed by ancestors; else the whole column throughout
  };

  /// May throw std::bad_alloc.
  OpenRanks(std::span<const uint32_t> column_size, std::span<const uint8_t> column_nests);

  [[nodiscard]] const Range& range(uint32_t column) const noexcept { return ranges_[column]; }

  /// Steps to the left child of an inner node. May throw std::bad_alloc past the deepest legal tree.
  void enter(uint32_t column, uint32_t rank) {
    Range& range = ranges_[column];
    waiting_.push_back({column, rank, range.end, static_cast<uint32_t>(narrowed_.size())});
    range.end = range.nests ? rank : range.end;
  }

  /// Steps on from a leaf: to the right child of the last node that lacks one, or to the next root.
  /// May throw as `enter` may.
  void leave() {
    const Waiting next = waiting_.empty() ? Waiting{} : waiting_.back();
    for (; narrowed_.size() > next.narrowed; narrowed_.pop_back()) {
      ranges_[narrowed_.back().column].begin = narrowed_.back().begin;
    }
    if (waiting_.empty()) return;
    waiting_.pop_back();
    Range& range = ranges_[next.column];
    range.end = next.end;
    narrowed_.push_back({next.column, range.begin});
    range.begin = range.nests ? next.rank + 1 : range.begin;
  }

 private:
  /// A node whose right child is still to come.
  struct Waiting {
    uint32_t column = 0;
    uint32_t rank = 0;
    uint32_t end = 0;       // of the column, before it
    uint32_t narrowed = 0;  // right turns that led to it
  };
  /// A turn to the right, to be taken back.
  struct Narrowed {
    uint32_t column;
    uint32_t begin;
  };
  std::vector<Range> ranges_;
  std::vector<Waiting> waiting_;
  std::vector<Narrowed> narrowed_;
};

/// A number below `n`, which is at least 1, from a bit string that has been measured.
[[nodiscard]] inline uint32_t read_below(std::span<const std::byte> bits, uint64_t& position,
                                         uint32_t n) noexcept {
  const uint32_t low_bits = static_cast<uint32_t>(std::bit_width(n)) - 1;
  const uint32_t power = 1u << low_bits;
  const uint32_t word = bits_at(bits, position, low_bits + 1);
  const uint32_t low = word & (power - 1);
  const bool longer = low >= power - (n - power);  // 2 power - n are short
  position += low_bits + (longer ? 1 : 0);
  return low + (longer && (word & power) != 0 ? n - power : 0);
}

/// What `encode_ranks` makes of the ranks of all inner nodes.
struct RankCode {
  std::vector<uint8_t> column_nests;
  std::vector<std::byte> bits;
  uint64_t bit_count = 0;
};

/// Trees to be written: nodes in preorder over all trees, inner nodes likewise.
struct RankedNodes {
  std::span<const uint8_t> is_inner;
  std::span<const uint32_t> column;
  std::span<const uint32_t> rank;
  std::span<const uint32_t> column_size;
  std::span<const uint8_t> column_ordered;  ///< numeric: ranks ascend as cuts do
};

/// Columns nest where they are ordered and no node contradicts its ancestors.
Result<RankCode> encode_ranks(const RankedNodes& nodes) noexcept;

}  // namespace cordwood::format
