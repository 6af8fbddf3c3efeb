#include "cuda/slice_plan.hpp"

#include <algorithm>
#include <array>

#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

using plan::NodeTest;
using plan::ShapedNode;

constexpr uint32_t kMostWords = 0xFFFF;

/// A node by the numbers of its words.
struct Numbered {
  uint32_t high = 1;  ///< whatever it is, the word before it is there
  uint32_t low = 0;
  uint32_t above = kReachedZeros;
  uint32_t below = kReachedZeros;
  uint32_t self = kReachedZeros;

  [[nodiscard]] SliceNode placed(uint32_t lanes) const noexcept {
    constexpr uint32_t kReachedBytes = 32 * sizeof(uint32_t);
    const auto word_bytes = static_cast<uint32_t>(lanes * sizeof(uint32_t));
    return {.high = (high * word_bytes) << kPlaceShift,
            .low = (low * word_bytes) << kPlaceShift,
            .above = (above * kReachedBytes) << kPlaceShift,
            .below = (below * kReachedBytes) << kPlaceShift | self * kReachedBytes};
  }
};

/// Where the words of each column lie, by what its nodes ask.
class Words {
 public:
  Words(const format::TreeArrays& arrays, const plan::TreeColumns& columns)
      : arrays_(arrays), columns_(columns), asked_(columns.columns().size()) {
    for (uint64_t node = 0; node < arrays.right.size(); ++node) {
      if (arrays.right[node] != 0) note(columns.test(arrays, node), node);
    }
    for (uint32_t c = 0; c < asked_.size(); ++c) place(c);
  }

  [[nodiscard]] uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::vector<SliceColumn> columns() const { return laid_; }
  [[nodiscard]] std::vector<uint32_t> sets() const { return sets_; }

  /// The condition of a node; above, below and self are left alone.
  [[nodiscard]] Numbered condition(uint64_t node) const {
    const NodeTest test = columns_.test(arrays_, node);
    const SliceColumn& column = laid_[test.column];
    Numbered made;
    if (test.category) {
      const std::vector<uint32_t>& sets = asked_[test.column].sets;
      const auto set = std::ranges::lower_bound(sets, question(test, node)) - sets.begin();
      made.high = column.first_set + static_cast<uint32_t>(set);
      return made;  // its second word is all zeros
    }
    made.high = column.first_high + 1 + test.rank / 16;
    made.low = column.first_low + test.rank % 16;
    return made;
  }

 private:
  struct Asked {
    uint32_t n_high = 0;
    uint32_t n_low = 0;
    std::vector<uint32_t> sets;  ///< questions, distinct and ascending
  };

  /// A category set, and where missing values go.
  [[nodiscard]] uint32_t question(const NodeTest& test, uint64_t node) const noexcept {
    return 2 * test.rank + arrays_.missing_left[node];
  }

  void note(const NodeTest& test, uint64_t node) {
    Asked& asked = asked_[test.column];
    if (test.category) {
      asked.sets.push_back(question(test, node));
    } else {
      asked.n_high = std::max(asked.n_high, test.rank / 16 + 2);  // of -1, too
      asked.n_low = std::max(asked.n_low, test.rank % 16 + 1);
    }
  }

  uint16_t take(uint32_t n) {
    const auto first = static_cast<uint16_t>(count_);
    count_ += n;
    return first;
  }

  void place(uint32_t c) {
    Asked& asked = asked_[c];
    std::ranges::sort(asked.sets);
    asked.sets.erase(std::unique(asked.sets.begin(), asked.sets.end()), asked.sets.end());
    const auto n_sets = static_cast<uint32_t>(asked.sets.size());
    laid_.push_back({.column = c,
                     .first_high = take(asked.n_high),
                     .n_high = static_cast<uint16_t>(asked.n_high),
                     .first_low = take(asked.n_low),
                     .n_low = static_cast<uint16_t>(asked.n_low),
                     .first_set = take(n_sets),
                     .n_sets = static_cast<uint16_t>(n_sets),
                     .first_table = static_cast<uint32_t>(sets_.size() / 8)});
    for (const uint32_t set : asked.sets) add_set(c, set / 2, set % 2 != 0);
  }

  /// By bin: the right-going bit of the set; missing values have a bin behind those of the set.
  void add_set(uint32_t c, uint32_t set, bool missing_left) {
    const format::TreeColumn& source = arrays_.columns[columns_.file_column(c)];
    const uint64_t bits = uint64_t{source.category_count} + 1;
    const uint64_t first = source.first_set_bit + (columns_.first_rank(c) + set) * bits;
    std::array<uint32_t, 8> table{};
    const auto put = [&](uint64_t bin) { table[bin / 32] |= 1u << (bin % 32); };
    for (uint64_t bin = 0; bin < bits; ++bin) {
      const uint64_t bit = first + bin;
      if ((arrays_.set_bits[bit / 8] >> (bit % 8) & 1u) != 0) put(bin);
    }
    if (!missing_left) put(bits);
    sets_.insert(sets_.end(), table.begin(), table.end());
  }

  const format::TreeArrays& arrays_;
  const plan::TreeColumns& columns_;
  std::vector<Asked> asked_;
  std::vector<SliceColumn> laid_;
  std::vector<uint32_t> sets_;
  uint32_t count_ = 1;  // word 0 is all zeros
};

uint32_t whole_slots(uint64_t nodes) {
  return static_cast<uint32_t>((nodes + kSlotsAtOnce - 1) / kSlotsAtOnce * kSlotsAtOnce);
}

uint32_t reached_word(uint32_t order, uint32_t otherwise) {
  return order == ShapedNode::kNone ? otherwise : kFirstReached + order;
}

}  // namespace

std::optional<SlicePlan> SlicePlan::build(const format::TreeArrays& arrays,
                                          const plan::TreeColumns& columns, uint64_t block_bytes) {
  const uint64_t leaves = plan::most_leaves(arrays);
  if (leaves > kSliceLeaves) return std::nullopt;
  const Words words(arrays, columns);
  if (words.count() > kMostWords) return std::nullopt;
  SlicePlan plan;
  plan.n_words = words.count();
  plan.most_slots = whole_slots(leaves == 0 ? 0 : leaves - 1);
  plan.shape = slice_shape(plan.n_words, plan.most_slots, block_bytes);
  if (plan.shape.warps == 0) return std::nullopt;
  plan.columns = words.columns();
  plan.sets = words.sets();

  const uint32_t n_trees = arrays.attributes.n_trees;
  const uint32_t of_group = plan.shape.group();
  std::vector<std::vector<ShapedNode>> shapes(of_group);
  for (uint32_t first = 0; first < n_trees; first += of_group) {
    plan.first_node.push_back(static_cast<uint32_t>(plan.nodes.size()));
    std::size_t slots = 0;
    for (uint32_t t = 0; t < of_group; ++t) {
      shapes[t].clear();
      if (first + t < n_trees) plan::shape_tree(arrays, first + t, shapes[t]);
      slots = std::max(slots, shapes[t].size());
    }
    slots = whole_slots(slots);
    for (std::size_t slot = 0; slot < slots; ++slot) {
      for (uint32_t t = 0; t < of_group; ++t) {
        Numbered node;  // reaches nothing: above and below are all zeros
        node.self = kFirstReached + static_cast<uint32_t>(slot);
        if (slot < shapes[t].size()) {
          const ShapedNode& shaped = shapes[t][slot];
          node = words.condition(shaped.node);
          node.above = reached_word(shaped.above, kReachedZeros);
          node.below = reached_word(shaped.below, kReachedOnes);
          node.self = kFirstReached + shaped.order;
        }
        plan.nodes.push_back(node.placed(plan.shape.lanes));
      }
    }
  }
  plan.first_node.push_back(static_cast<uint32_t>(plan.nodes.size()));
  return plan;
}

}  // namespace cordwood::cuda
