#include "runtime/tree_slice_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "plan/tree_shape.hpp"

namespace cordwood::runtime {
namespace {

constexpr uint32_t kNoTable = 0xFFFFFFFFu;
constexpr uint32_t kTableBytes = 32;
constexpr uint64_t kNobody = ~uint64_t{0};
constexpr uint32_t kNoCondition = 0xFFFFFFFFu;

// A condition of a full tree costs less than half of an operation on the file of bit vectors.
constexpr uint64_t kMostPadding = 2;

// A set as a table over the column's bins: listed values, any other, NaN.
void append_table(const format::TreeArrays& arrays, const format::TreeColumn& column, uint32_t set,
                  bool missing_left, std::vector<uint8_t>& tables) {
  const size_t at = tables.size();
  tables.resize(at + kTableBytes, 0);
  const auto put = [&](uint32_t bin) {
    tables[at + bin / 8] = static_cast<uint8_t>(tables[at + bin / 8] | (1u << (bin % 8)));
  };
  const uint64_t first = column.first_set_bit + uint64_t{set} * (column.category_count + 1);
  for (uint32_t bin = 0; bin <= column.category_count; ++bin) {
    const uint64_t bit = first + bin;
    if (((arrays.set_bits[bit >> 3] >> (bit & 7)) & 1) != 0) put(bin);
  }
  if (!missing_left) put(column.category_count + 1);
}

// What makes conditions of one column equal: the rank, or the set and where NaN goes.
uint32_t question(const plan::NodeTest& test, const format::TreeArrays& arrays, uint64_t node) {
  return test.category ? 2 * test.rank + arrays.missing_left[node] : test.rank;
}

uint32_t value_bytes(const format::TreeArrays& arrays) {
  return arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32 ? 4 : 8;
}

// Binary digits of the tree's largest leaf number.
uint32_t leaf_digits(const format::TreeArrays& arrays, uint64_t tree) {
  return static_cast<uint32_t>(std::bit_width(plan::leaf_count(arrays, tree) - 1));
}

// Bytes of a leaf value, least significant first, into planes.
template <class Float>
AlignedVector<uint8_t> lay_planes(const format::TreeArrays& arrays, const SlicePlan& plan) {
  const uint32_t width = arrays.attributes.leaf_width;
  const std::vector<uint32_t> rows = plan::leaf_rows(arrays);
  AlignedVector<uint8_t> planes;
  uint64_t first_leaf = 0;
  for (const kernels::SliceGroup& group : plan.groups()) {
    const uint32_t entries = kernels::slice_entries(group.digits);
    planes.resize(group.first_plane + uint64_t{group.n_trees} * width * entries * sizeof(Float), 0);
    uint8_t* table = planes.data() + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      const uint64_t leaves = plan::leaf_count(arrays, group.first_tree + t);
      const std::span<const uint8_t> leaf_of_place = plan.leaf_of_place(group.first_tree + t);
      const uint64_t places = leaf_of_place.empty() ? leaves : leaf_of_place.size();
      for (uint32_t w = 0; w < width; ++w, table += entries * sizeof(Float)) {
        for (uint64_t place = 0; place < places; ++place) {
          const uint64_t leaf = leaf_of_place.empty() ? place : leaf_of_place[place];
          const auto value =
              static_cast<Float>(arrays.leaf_values[uint64_t{rows[first_leaf + leaf]} * width + w]);
          uint8_t bytes[sizeof(Float)];
          std::memcpy(bytes, &value, sizeof value);
          for (size_t b = 0; b < sizeof(Float); ++b) table[entries * b + place] = bytes[b];
        }
      }
      first_leaf += leaves;
    }
  }
  return planes;
}

/// A tree filled up to `levels` levels.
class FullTree {
 public:
  std::vector<uint32_t> asked;         ///< level by level; kNoCondition below an early leaf
  std::vector<uint8_t> leaf_of_place;  ///< leaf at each end of the full tree

  FullTree(const format::TreeArrays& arrays, const SliceConditions& conditions, uint64_t tree,
           uint32_t levels)
      : asked((size_t{1} << levels) - 1, kNoCondition),
        arrays_(arrays),
        conditions_(conditions),
        levels_(levels) {
    fill(arrays.tree_start[tree], 0, 0);
  }

  /// The one condition of each level; empty where a level asks more than one.
  [[nodiscard]] std::vector<uint32_t> one_a_level() const {
    std::vector<uint32_t> one(levels_, kNoCondition);
    for (uint32_t level = 0; level < levels_; ++level) {
      for (size_t i = (size_t{1} << level) - 1; i < (size_t{2} << level) - 1; ++i) {
        if (asked[i] == kNoCondition) continue;
        if (one[level] != kNoCondition && one[level] != asked[i]) return {};
        one[level] = asked[i];
      }
    }
    return one;
  }

 private:
  // Leaves come in order, so that the places of each follow those of the one before.
  void fill(uint64_t node, uint32_t level, size_t across) {
    if (arrays_.right[node] == 0) {
      leaf_of_place.resize((across + 1) << (levels_ - level), static_cast<uint8_t>(n_leaves_++));
      return;
    }
    asked[(size_t{1} << level) - 1 + across] = conditions_.of(node);
    fill(node + 1, level + 1, 2 * across);
    fill(node + arrays_.right[node], level + 1, 2 * across + 1);
  }

  const format::TreeArrays& arrays_;
  const SliceConditions& conditions_;
  uint32_t levels_;
  uint32_t n_leaves_ = 0;
};

kernels::SliceOperation operation(const plan::ShapedNode& node, uint32_t digits, uint32_t tree,
                                  uint32_t condition) {
  const auto slot = [&](uint32_t order, uint32_t otherwise) {
    return static_cast<uint16_t>(
        order == plan::ShapedNode::kNone ? otherwise : kernels::slice_slot(digits, tree, order));
  };
  return {condition, slot(node.order, 0), slot(node.above, kernels::kSliceZeros),
          slot(node.below, kernels::kSliceOnes), 0};
}

// A slot that no node of this tree has: nothing lies beyond it.
kernels::SliceOperation clear(uint32_t digits, uint32_t tree, uint32_t order) {
  return {0, static_cast<uint16_t>(kernels::slice_slot(digits, tree, order)), kernels::kSliceZeros,
          kernels::kSliceZeros, 0};
}

}  // namespace

SliceConditions::SliceConditions(const format::TreeArrays& arrays,
                                 const plan::TreeColumns& columns) {
  // Every question that a column's nodes may ask, and the first node that asks it.
  const size_t n_columns = columns.columns().size();
  std::vector<uint64_t> first_question(n_columns + 1, 0);
  for (uint32_t c = 0; c < n_columns; ++c) {
    const kernels::BinColumn& column = columns.columns()[c];
    const uint64_t sets = arrays.columns[columns.file_column(c)].size;
    first_question[c + 1] = first_question[c] + (column.category != 0 ? 2 * sets : column.count);
  }
  std::vector<uint64_t> asked_by(first_question.back(), kNobody);
  node_condition_.assign(arrays.right.size(), 0);
  for (uint64_t node = 0; node < arrays.right.size(); ++node) {
    if (arrays.right[node] == 0) continue;
    const plan::NodeTest test = columns.test(arrays, node);
    const uint64_t at = first_question[test.column] + question(test, arrays, node);
    if (asked_by[at] == kNobody) asked_by[at] = node;
    node_condition_[node] = static_cast<uint32_t>(at);  // until the asked ones are numbered
  }
  std::vector<uint32_t> number(asked_by.size(), 0);
  for (uint32_t c = 0; c < n_columns; ++c) {
    kernels::SliceColumn column{};
    column.first_condition = count_;
    for (uint64_t at = first_question[c]; at < first_question[c + 1]; ++at) {
      const uint64_t node = asked_by[at];
      if (node == kNobody) continue;
      number[at] = count_++;
      const plan::NodeTest test = columns.test(arrays, node);
      if (test.category) {
        condition_table_.push_back(static_cast<uint32_t>(tables_.size() / kTableBytes));
        append_table(arrays, arrays.columns[arrays.column[node]], test.rank,
                     arrays.missing_left[node] != 0, tables_);
        ++column.n_tables;
      } else {
        condition_table_.push_back(kNoTable);
        ranks_.push_back(static_cast<uint8_t>(test.rank));
        ++column.n_ranks;
      }
    }
    columns_.push_back(column);
  }
  for (uint64_t node = 0; node < arrays.right.size(); ++node) {
    if (arrays.right[node] != 0) node_condition_[node] = number[node_condition_[node]];
  }
  ranks_.push_back(0);  // kernels read pairs
  const uint8_t* rank = ranks_.data();
  const uint8_t* table = tables_.data();
  for (kernels::SliceColumn& column : columns_) {
    column.ranks = rank;
    column.tables = table;
    rank += column.n_ranks;
    table += uint64_t{column.n_tables} * kTableBytes;
  }
}

uint32_t SliceConditions::table_of(uint64_t node) const noexcept {
  return condition_table_[node_condition_[node]];
}

uint32_t SliceConditions::n_tables() const noexcept {
  return static_cast<uint32_t>(tables_.size() / kTableBytes);
}

struct SlicePlan::Tree {
  kernels::SliceForm form = kernels::SliceForm::kAny;
  uint32_t digits = 0;
  std::vector<uint32_t> asked;         ///< where the form is not kAny
  std::vector<uint8_t> leaf_of_place;  ///< the same
};

SlicePlan::Tree SlicePlan::plan_tree(const format::TreeArrays& arrays,
                                     const SliceConditions& conditions, uint64_t tree) {
  Tree plan;
  plan.digits = leaf_digits(arrays, tree);
  const uint32_t levels = plan::longest_path(arrays, tree);
  const uint64_t n_inner = plan::leaf_count(arrays, tree) - 1;
  if (levels > kernels::kSliceMaxDigits ||
      kernels::slice_entries(levels) != kernels::slice_entries(plan.digits)) {
    return plan;
  }
  FullTree full(arrays, conditions, tree, levels);
  plan.asked = full.one_a_level();
  if (plan.asked.size() == levels) {  // so it is for a single leaf
    plan.form = kernels::SliceForm::kOblivious;
  } else if ((uint64_t{1} << levels) - 1 <= kMostPadding * n_inner) {
    plan.form = kernels::SliceForm::kFull;
    plan.asked = std::move(full.asked);
    std::replace(plan.asked.begin(), plan.asked.end(), kNoCondition, uint32_t{0});
  } else {
    return plan;
  }
  plan.digits = levels;
  plan.leaf_of_place = std::move(full.leaf_of_place);
  return plan;
}

SlicePlan::SlicePlan(const format::TreeArrays& arrays, const SliceConditions& conditions) {
  kernels::SliceGroup group{};
  std::vector<Tree> trees;
  for (uint64_t number = 0; number < arrays.attributes.n_trees; ++number) {
    Tree tree = plan_tree(arrays, conditions, number);
    const uint32_t digits = std::max(group.digits, tree.digits);
    const bool fits = tree.form == group.form && trees.size() < kernels::slice_trees(digits) &&
                      (tree.form == kernels::SliceForm::kAny || tree.digits == group.digits);
    if (!trees.empty() && !fits) {
      add_group(arrays, conditions, group, trees);
      trees.clear();
    }
    if (trees.empty()) {
      group = {};
      group.first_tree = static_cast<uint32_t>(number);
      group.form = tree.form;
    }
    group.digits = std::max(group.digits, tree.digits);
    trees.push_back(std::move(tree));
  }
  if (!trees.empty()) add_group(arrays, conditions, group, trees);
  operations_.resize(operations_.size() + kernels::kSliceAhead);
}

void SlicePlan::add_group(const format::TreeArrays& arrays, const SliceConditions& conditions,
                          kernels::SliceGroup group, std::vector<Tree>& trees) {
  group.n_trees = static_cast<uint32_t>(trees.size());
  for (uint32_t t = 0; t < group.n_trees; ++t) {
    // Tables of leaf values are of one size in a group.
    group.tree_digits[t] = static_cast<uint8_t>(group.digits > 6 ? group.digits : trees[t].digits);
  }
  if (!groups_.empty()) {
    const kernels::SliceGroup& last = groups_.back();
    group.first_plane = last.first_plane + uint64_t{last.n_trees} * arrays.attributes.leaf_width *
                                               kernels::slice_entries(last.digits) *
                                               value_bytes(arrays);
  }
  if (group.form == kernels::SliceForm::kAny) {
    first_place_.resize(first_place_.size() + trees.size(), places_.size());
    add_operations(arrays, conditions, group);
  } else {
    group.first = asked_.size();
    for (uint32_t t = 0; t < trees.size(); ++t) {
      const Tree& tree = trees[t];
      asked_.insert(asked_.end(), tree.asked.begin(), tree.asked.end());
      if (tree.leaf_of_place.size() != plan::leaf_count(arrays, group.first_tree + t)) {
        places_.insert(places_.end(), tree.leaf_of_place.begin(), tree.leaf_of_place.end());
      }
      first_place_.push_back(places_.size());
    }
  }
  groups_.push_back(group);
}

void SlicePlan::add_operations(const format::TreeArrays& arrays, const SliceConditions& conditions,
                               kernels::SliceGroup& group) {
  group.first = operations_.size();
  std::vector<plan::ShapedNode> shape[kernels::kSliceTrees];
  for (uint32_t t = 0; t < group.n_trees; ++t)
    plan::shape_tree(arrays, group.first_tree + t, shape[t]);
  const uint32_t slots = (1u << group.digits) - 1;
  for (uint32_t i = 0; i < slots; ++i) {  // one node of each tree in turn
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      if (i >= (1u << group.tree_digits[t]) - 1) continue;
      operations_.push_back(i < shape[t].size() ? operation(shape[t][i], group.digits, t,
                                                            conditions.of(shape[t][i].node))
                                                : clear(group.digits, t, i));
    }
  }
  group.n_operations = static_cast<uint32_t>(operations_.size() - group.first);
}

AlignedVector<uint8_t> leaf_planes(const format::TreeArrays& arrays, const SlicePlan& plan) {
  return value_bytes(arrays) == 4 ? lay_planes<float>(arrays, plan)
                                  : lay_planes<double>(arrays, plan);
}

}  // namespace cordwood::runtime
