#include "plan/tree_range.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace cordwood::plan {
namespace {

using format::TreeArrays;
using format::TreeColumn;

template <class Vector>
Vector part(const Vector& all, uint64_t first, uint64_t last) {
  const std::span items(all.data() + first, last - first);
  return Vector(items.begin(), items.end());
}

template <class T>
void append(const std::vector<T>& from, uint64_t first, uint64_t last, std::vector<T>& to) {
  const std::span items(from.data() + first, last - first);
  to.insert(to.end(), items.begin(), items.end());
}

template <class T>
void sort_distinct(std::vector<T>& items) {
  std::ranges::sort(items);
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

/// Place of `item`, which is there, among distinct ascending items.
template <class T>
uint32_t place_of(const std::vector<T>& items, T item) {
  return static_cast<uint32_t>(std::ranges::lower_bound(items, item) - items.begin());
}

/// Leaves of a tree's trees before it: every tree has one leaf more than inner nodes.
uint64_t leaves_before(const TreeArrays& all, uint64_t tree) {
  return (all.tree_start[tree] + tree) / 2;
}

void append_bits(const std::vector<uint8_t>& from, uint64_t first, uint64_t count,
                 std::vector<uint8_t>& to, uint64_t& to_bits) {
  for (uint64_t bit = first; bit < first + count; ++bit, ++to_bits) {
    if (to_bits % 8 == 0) to.push_back(0);
    const auto value = static_cast<uint8_t>(from[bit / 8] >> (bit % 8) & 1u);
    to.back() = static_cast<uint8_t>(to.back() | value << (to_bits % 8));
  }
}

/// The tests of the nodes taken: distinct (column, rank) pairs, ascending.
class UsedTests {
 public:
  UsedTests(const TreeArrays& all, uint64_t first_node, uint64_t last_node) {
    for (uint64_t node = first_node; node < last_node; ++node) {
      if (all.right[node] != 0) tests_.push_back(key(all, node));
    }
    sort_distinct(tests_);
    for (std::size_t test = 0; test < tests_.size(); ++test) {
      if (!columns_.empty() && columns_.back() == column(tests_[test])) continue;
      columns_.push_back(column(tests_[test]));
      first_test_.push_back(test);
    }
    first_test_.push_back(tests_.size());
  }

  /// Old numbers of the columns in use, ascending.
  [[nodiscard]] const std::vector<uint32_t>& columns() const noexcept { return columns_; }

  /// Old cuts or sets in use of the new column `place`, ascending.
  [[nodiscard]] std::vector<uint32_t> ranks(std::size_t place) const {
    std::vector<uint32_t> ranks;
    for (std::size_t test = first_test_[place]; test < first_test_[place + 1]; ++test) {
      ranks.push_back(static_cast<uint32_t>(tests_[test]));
    }
    return ranks;
  }

  [[nodiscard]] uint32_t new_column(uint32_t old) const { return place_of(columns_, old); }

  [[nodiscard]] uint32_t new_rank(const TreeArrays& all, uint64_t node) const {
    const std::size_t first = first_test_[new_column(all.column[node])];
    return static_cast<uint32_t>(place_of(tests_, key(all, node)) - first);
  }

 private:
  static uint64_t key(const TreeArrays& all, uint64_t node) {
    return uint64_t{all.column[node]} << 32 | all.rank[node];
  }
  static uint32_t column(uint64_t key) { return static_cast<uint32_t>(key >> 32); }

  std::vector<uint64_t> tests_;
  std::vector<uint32_t> columns_;
  std::vector<std::size_t> first_test_;
};

void take_columns(const TreeArrays& all, const UsedTests& used, TreeArrays& taken) {
  uint64_t set_bits = 0;
  for (std::size_t place = 0; place < used.columns().size(); ++place) {
    const TreeColumn& old = all.columns[used.columns()[place]];
    const std::vector<uint32_t> ranks = used.ranks(place);
    TreeColumn column = old;
    column.size = static_cast<uint32_t>(ranks.size());
    if (old.kind == CORDWOOD_COLUMN_CATEGORY) {
      column.first_category = taken.category_values.size();
      column.first_set_bit = set_bits;
      append(all.category_values, old.first_category, old.first_category + old.category_count,
             taken.category_values);
      const uint64_t width = uint64_t{old.category_count} + 1;
      for (const uint32_t set : ranks) {
        append_bits(all.set_bits, old.first_set_bit + set * width, width, taken.set_bits, set_bits);
      }
    } else {
      column.first_cut = taken.cuts.size();
      for (const uint32_t rank : ranks) taken.cuts.push_back(all.cuts[old.first_cut + rank]);
    }
    taken.columns.push_back(column);
  }
}

void take_linear_terms(const TreeArrays& all, const std::vector<uint32_t>& rows,
                       TreeArrays& taken) {
  taken.linear_start.push_back(0);
  for (const uint32_t row : rows) {
    const uint64_t first = all.linear_start[row];
    const uint64_t last = all.linear_start[row + 1];
    append(all.linear_feature, first, last, taken.linear_feature);
    append(all.linear_coefficient, first, last, taken.linear_coefficient);
    taken.linear_constant.push_back(all.linear_constant[row]);
    taken.linear_start.push_back(taken.linear_feature.size());
  }
}

/// Copies the leaf rows in use; returns their old numbers, ascending.
std::vector<uint32_t> take_leaf_rows(const TreeArrays& all, uint64_t first_node, uint64_t last_node,
                                     TreeArrays& taken) {
  std::vector<uint32_t> rows;
  for (uint64_t node = first_node; node < last_node; ++node) {
    if (all.right[node] == 0) rows.push_back(all.rank[node]);
  }
  sort_distinct(rows);
  const uint64_t width = all.attributes.leaf_width;
  taken.leaf_values.reserve(rows.size() * width);
  for (const uint32_t row : rows) {
    append(all.leaf_values, row * width, (row + 1) * width, taken.leaf_values);
  }
  if (!all.linear_start.empty()) take_linear_terms(all, rows, taken);
  return rows;
}

/// Everything of the trees but their columns; nodes ask as they do in `all`.
void take_nodes(const TreeArrays& all, const TreeRange& range, TreeArrays& taken) {
  const auto [first, last] = range;
  const uint64_t first_node = all.tree_start[first];
  const uint64_t last_node = all.tree_start[last];
  const std::vector<uint32_t> leaf_rows = take_leaf_rows(all, first_node, last_node, taken);

  taken.tree_start = part(all.tree_start, first, last + 1);
  for (uint64_t& start : taken.tree_start) start -= first_node;
  taken.right = part(all.right, first_node, last_node);
  taken.column = part(all.column, first_node, last_node);
  taken.rank = part(all.rank, first_node, last_node);
  taken.missing_left = part(all.missing_left, first_node, last_node);
  for (uint64_t place = 0; place < taken.right.size(); ++place) {
    if (taken.right[place] != 0) continue;
    taken.rank[place] = place_of(leaf_rows, taken.rank[place]);
    taken.column[place] = 0;
  }
  taken.tree_output = part(all.tree_output, first, last);
  if (!all.tree_weight.empty()) taken.tree_weight = part(all.tree_weight, first, last);
  taken.base_value = all.base_value;
  if (!all.leaf_number.empty()) {
    taken.leaf_number = part(all.leaf_number, leaves_before(all, first), leaves_before(all, last));
  }

  taken.attributes = all.attributes;
  taken.attributes.n_trees = static_cast<uint32_t>(last - first);
  taken.attributes.n_columns = static_cast<uint32_t>(taken.columns.size());
  taken.attributes.n_inner = (last_node - first_node - (last - first)) / 2;
  taken.attributes.n_leaf_rows = leaf_rows.size();
  if (all.attributes.aggregate == CORDWOOD_AGGREGATE_AVERAGE) {
    // Exact where trees come in iterations: both divisors are their numbers, and the products fit.
    taken.attributes.divisor = all.attributes.divisor * static_cast<double>(last - first) /
                               static_cast<double>(all.attributes.n_trees);
  }
}

}  // namespace

uint32_t last_trees(const format::FileView& file) noexcept {
  const auto count = static_cast<uint32_t>(file.operators.size());
  for (uint32_t index = count; index-- > 0;) {
    if (file.operators[index].opcode == CORDWOOD_OP_TREE_ENSEMBLE) return index;
  }
  return count;
}

Status check_range(const format::FileView& file, const cordwood_tree_range& range) noexcept {
  const uint32_t index = last_trees(file);
  if (index == file.operators.size()) return {};  // a program without trees is refused elsewhere
  const auto trees = file.attributes_of<cordwood_tree_attributes>(file.operators[index]);
  if (range.first > range.last || range.last > trees.n_trees) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "trees {} to {} asked for, the operator that answers has {}", range.first,
                range.last, trees.n_trees);
  }
  const bool average = trees.aggregate == CORDWOOD_AGGREGATE_AVERAGE;
  if (average && range.first == range.last) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "no trees asked for, expected some: the answer is their average");
  }
  if (range.per_stage == 0) return {};
  const uint64_t count = range.last - range.first;
  if (trees.aggregate != CORDWOOD_AGGREGATE_SUM || count == 0 || count % range.per_stage != 0) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "stages of {} trees asked for, expected a divisor of the {} trees of a sum",
                range.per_stage, count);
  }
  return {};
}

TreeArrays take_trees_alone(const TreeArrays& all, const TreeRange& range) {
  TreeArrays taken;
  taken.columns = all.columns;
  taken.cuts = all.cuts;
  taken.category_values = all.category_values;
  taken.set_bits = all.set_bits;
  take_nodes(all, range, taken);
  return taken;
}

TreeArrays take_trees(const TreeArrays& all, const TreeRange& range) {
  const uint64_t first_node = all.tree_start[range.first];
  TreeArrays taken;
  const UsedTests used(all, first_node, all.tree_start[range.last]);
  take_columns(all, used, taken);
  take_nodes(all, range, taken);
  for (uint64_t place = 0; place < taken.right.size(); ++place) {
    if (taken.right[place] == 0) continue;
    taken.rank[place] = used.new_rank(all, first_node + place);
    taken.column[place] = used.new_column(all.column[first_node + place]);
  }
  return taken;
}

}  // namespace cordwood::plan
