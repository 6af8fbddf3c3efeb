#include "runtime/tree_slice_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/tree_shape.hpp"

namespace cordwood::runtime {
namespace {

constexpr uint32_t kNoTable = 0xFFFFFFFFu;
constexpr uint32_t kTableBytes = 32;
constexpr uint64_t kNobody = ~uint64_t{0};

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
uint32_t question(const NodeTest& test, const format::TreeArrays& arrays, uint64_t node) {
  return test.category ? 2 * test.rank + arrays.missing_left[node] : test.rank;
}

uint32_t value_bytes(const format::TreeArrays& arrays) {
  return arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32 ? 4 : 8;
}

// Binary digits of the tree's largest leaf number.
uint32_t leaf_digits(const format::TreeArrays& arrays, uint64_t tree) {
  return static_cast<uint32_t>(std::bit_width(leaf_count(arrays, tree) - 1));
}

// Bytes of a leaf value, least significant first, into planes.
template <class Float>
AlignedVector<uint8_t> lay_planes(const format::TreeArrays& arrays, const SlicePlan& plan) {
  const uint32_t width = arrays.attributes.leaf_width;
  const std::vector<uint32_t> rows = leaf_rows(arrays);
  AlignedVector<uint8_t> planes;
  uint64_t first_leaf = 0;
  for (const kernels::SliceGroup& group : plan.groups) {
    const uint32_t entries = kernels::slice_entries(group.digits);
    planes.resize(group.first_plane + uint64_t{group.n_trees} * width * entries * sizeof(Float), 0);
    uint8_t* table = planes.data() + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      const uint64_t leaves = leaf_count(arrays, group.first_tree + t);
      for (uint32_t w = 0; w < width; ++w, table += entries * sizeof(Float)) {
        for (uint64_t leaf = 0; leaf < leaves; ++leaf) {
          const auto value =
              static_cast<Float>(arrays.leaf_values[uint64_t{rows[first_leaf + leaf]} * width + w]);
          uint8_t bytes[sizeof(Float)];
          std::memcpy(bytes, &value, sizeof value);
          for (size_t b = 0; b < sizeof(Float); ++b) table[entries * b + leaf] = bytes[b];
        }
      }
      first_leaf += leaves;
    }
  }
  return planes;
}

kernels::SliceOperation operation(const ShapedNode& node, uint32_t digits, uint32_t tree,
                                  uint32_t condition) {
  const auto slot = [&](uint32_t order, uint32_t otherwise) {
    return static_cast<uint16_t>(
        order == ShapedNode::kNone ? otherwise : kernels::slice_slot(digits, tree, order));
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

SliceConditions::SliceConditions(const format::TreeArrays& arrays, const TreeColumns& columns) {
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
    const NodeTest test = columns.test(arrays, node);
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
      const NodeTest test = columns.test(arrays, node);
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

SlicePlan::SlicePlan(const format::TreeArrays& arrays, const SliceConditions& conditions) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  kernels::SliceGroup group{};
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    const uint32_t digits = std::max(group.digits, leaf_digits(arrays, tree));
    if (group.n_trees >= kernels::slice_trees(digits)) {  // full, or too full for so large a tree
      add_group(arrays, conditions, group);
      group = {};
      group.first_tree = static_cast<uint32_t>(tree);
    }
    group.digits = std::max(group.digits, leaf_digits(arrays, tree));
    ++group.n_trees;
  }
  if (group.n_trees != 0) add_group(arrays, conditions, group);
}

void SlicePlan::add_group(const format::TreeArrays& arrays, const SliceConditions& conditions,
                          kernels::SliceGroup group) {
  group.first_operation = static_cast<uint32_t>(operations.size());
  if (!groups.empty()) {
    const kernels::SliceGroup& last = groups.back();
    group.first_plane = last.first_plane + uint64_t{last.n_trees} * arrays.attributes.leaf_width *
                                               kernels::slice_entries(last.digits) *
                                               value_bytes(arrays);
  }
  std::vector<ShapedNode> shape[kernels::kSliceTrees];
  for (uint32_t t = 0; t < group.n_trees; ++t) shape_tree(arrays, group.first_tree + t, shape[t]);
  const uint32_t slots = (1u << group.digits) - 1;
  for (uint32_t i = 0; i < slots; ++i) {  // one node of each tree in turn
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      operations.push_back(i < shape[t].size() ? operation(shape[t][i], group.digits, t,
                                                           conditions.of(shape[t][i].node))
                                               : clear(group.digits, t, i));
    }
  }
  group.n_operations = static_cast<uint32_t>(operations.size()) - group.first_operation;
  groups.push_back(group);
}

AlignedVector<uint8_t> leaf_planes(const format::TreeArrays& arrays, const SlicePlan& plan) {
  return value_bytes(arrays) == 4 ? lay_planes<float>(arrays, plan)
                                  : lay_planes<double>(arrays, plan);
}

void MaskPlan::resize(size_t entries) {
  columns.resize(entries, 0);
  ranks.resize(entries, 0xFF);
  if (lanes == kernels::kMaskLanes32) {
    keep32.resize(entries, 0xFFFFFFFFu);
  } else {
    keep64.resize(entries, ~uint64_t{0});
  }
}

MaskPlan::MaskPlan(const format::TreeArrays& arrays, const TreeColumns& tree_columns,
                   const SliceConditions& conditions) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  const bool small = most_leaves(arrays) <= 32;
  lanes = small ? kernels::kMaskLanes32 : kernels::kMaskLanes64;
  const uint32_t steps_at_once = 64 / lanes;
  std::vector<std::vector<ShapedNode>> shape(lanes);
  uint32_t n_steps = 0;
  for (uint64_t first = 0; first < n_trees; first += lanes) {
    const auto in_group = static_cast<uint32_t>(std::min<uint64_t>(lanes, n_trees - first));
    std::vector<uint32_t> used(lanes, 0);  // steps of each lane
    kernels::MaskGroup group{};
    group.first_step = n_steps;
    group.first_category = static_cast<uint32_t>(categories.size());
    size_t most = 0;
    for (uint32_t t = 0; t < in_group; ++t) {
      shape_tree(arrays, first + t, shape[t]);
      most = std::max(most, shape[t].size());
    }
    // Room for every node; steps that stay unused are cut below.
    const size_t base = size_t{n_steps} * lanes;
    const size_t room = base + (most + steps_at_once) * lanes;
    resize(room);
    for (uint32_t t = 0; t < in_group; ++t) {
      for (const ShapedNode& node : shape[t]) {
        const NodeTest test = tree_columns.test(arrays, node.node);
        const uint64_t left =
            ((uint64_t{2} << node.order) - 1) ^ ((uint64_t{1} << node.first_leaf) - 1);
        if (test.category) {
          categories.push_back({~left, conditions.table_of(node.node),
                                static_cast<uint16_t>(test.column), static_cast<uint16_t>(t)});
          continue;
        }
        const size_t at = base + size_t{used[t]++} * lanes + t;
        columns[at] = static_cast<uint8_t>(test.column);
        ranks[at] = static_cast<uint8_t>(test.rank);
        if (small) {
          keep32[at] = static_cast<uint32_t>(~left);
        } else {
          keep64[at] = ~left;
        }
      }
    }
    const uint32_t longest = *std::max_element(used.begin(), used.end());
    group.n_steps = (longest + steps_at_once - 1) / steps_at_once * steps_at_once;
    group.n_categories = static_cast<uint32_t>(categories.size()) - group.first_category;
    n_steps += group.n_steps;
    resize(size_t{n_steps} * lanes);
    groups.push_back(group);
  }
}

}  // namespace cordwood::runtime
