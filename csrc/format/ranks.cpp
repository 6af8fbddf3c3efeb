#include "format/ranks.hpp"

#include "format/operators.h"

namespace cordwood::format {
namespace {

class BitWriter {
 public:
  explicit BitWriter(std::vector<std::byte>& bytes) noexcept : bytes_(bytes) {}

  /// `value` has no bits above `count`, which is at most 32.
  void write(uint32_t value, uint32_t count) {
    word_ |= uint64_t{value} << used_;
    used_ += count;
    total_ += count;
    for (; used_ >= 8; used_ -= 8, word_ >>= 8) bytes_.push_back(static_cast<std::byte>(word_));
  }
  void finish() {
    if (used_ != 0) bytes_.push_back(static_cast<std::byte>(word_));
  }
  [[nodiscard]] uint64_t total() const noexcept { return total_; }

 private:
  std::vector<std::byte>& bytes_;
  uint64_t word_ = 0;
  uint32_t used_ = 0;  // bits of the word, fewer than 8 between calls
  uint64_t total_ = 0;
};

/// The counterpart of read_below.
void write_below(BitWriter& writer, uint32_t value, uint32_t n) {
  const uint32_t low_bits = static_cast<uint32_t>(std::bit_width(n)) - 1;
  const uint32_t power = 1u << low_bits;
  const uint32_t n_short = power - (n - power);
  if (value < n_short) {
    writer.write(value, low_bits);
  } else if (value < power) {
    writer.write(value, low_bits + 1);
  } else {
    writer.write((value - (n - power)) | power, low_bits + 1);
  }
}

/// Calls `take` with each inner node's index and open range, in preorder; false where the arrays
/// do not fit each other.
template <class Take>
bool walk(const RankedNodes& nodes, OpenRanks& open, Take take) {
  std::size_t inner = 0;
  for (const uint8_t is_inner : nodes.is_inner) {
    if (is_inner == 0) {
      open.leave();
      continue;
    }
    if (inner == nodes.column.size()) return false;
    const uint32_t column = nodes.column[inner];
    if (column >= nodes.column_size.size() || nodes.rank[inner] >= nodes.column_size[column]) {
      return false;
    }
    take(inner, open.range(column));
    open.enter(column, nodes.rank[inner++]);
  }
  return inner == nodes.column.size();
}

}  // namespace

OpenRanks::OpenRanks(std::span<const uint32_t> column_size, std::span<const uint8_t> column_nests) {
  ranges_.reserve(column_size.size());
  for (std::size_t column = 0; column < column_size.size(); ++column) {
    ranges_.push_back({0, column_size[column], column_nests[column] != 0});
  }
  waiting_.reserve(CORDWOOD_MAX_DEPTH + 1);
  narrowed_.reserve(CORDWOOD_MAX_DEPTH + 1);
}

Result<RankCode> encode_ranks(const RankedNodes& nodes) noexcept {
  return guard_memory("encode_ranks", [&]() -> Result<RankCode> {
    const bool same_lengths = nodes.rank.size() == nodes.column.size() &&
                              nodes.column_ordered.size() == nodes.column_size.size();
    RankCode code;
    code.column_nests.assign(nodes.column_ordered.begin(), nodes.column_ordered.end());
    bool sound = same_lengths;
    if (sound) {
      OpenRanks open(nodes.column_size, nodes.column_ordered);
      sound = walk(nodes, open, [&](std::size_t inner, const OpenRanks::Range& range) {
        const uint32_t rank = nodes.rank[inner];
        if (rank < range.begin || rank >= range.end) code.column_nests[nodes.column[inner]] = 0;
      });
    }
    if (!sound) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "encode_ranks",
                  "{} nodes with {} columns and {} ranks given, expected one column and one rank "
                  "within it for each inner node",
                  nodes.is_inner.size(), nodes.column.size(), nodes.rank.size());
    }
    OpenRanks open(nodes.column_size, code.column_nests);
    BitWriter writer(code.bits);
    walk(nodes, open, [&](std::size_t inner, const OpenRanks::Range& range) {
      write_below(writer, nodes.rank[inner] - range.begin, range.end - range.begin);
    });
    writer.finish();
    code.bit_count = writer.total();
    return code;
  });
}

}  // namespace cordwood::format
