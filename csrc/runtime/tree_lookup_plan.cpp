#include "runtime/tree_lookup_plan.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/tree_shape.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kLookupEntries;
using kernels::kLookupLeaves;

// The last numbers of rows at which tree_lookup beats blocks of tree_slice, and words of full trees, whose
// digits are read off their conditions. Measured on Zen 5.
constexpr uint64_t kMostRows = 256;
constexpr uint64_t kMostRowsOfFullTrees = 32;

// Where less than two fifths of what a step has room for are nodes, words cost less.
constexpr uint64_t kRoom = 5;
constexpr uint64_t kLeastOfRoom = 2;

uint32_t room_of_trees(const format::TreeArrays& arrays) {
  const bool few = most_leaves(arrays) <= kernels::kLookupFewNodes + 1;
  return few ? kernels::kLookupFewNodes : kernels::kLookupNodes;
}

bool mostly_full(const SlicePlan& slice) {
  uint64_t full = 0, any = 0;
  for (const kernels::SliceGroup& group : slice.groups()) {
    (group.form == kernels::SliceForm::kAny ? any : full) += group.n_trees;
  }
  return full > any;
}

// Leaves that a node keeps of a row that goes right: all but those of its left subtree.
uint32_t kept_leaves(uint32_t first_leaf, uint32_t last_leaf) {
  constexpr uint32_t kAll = 0xFFFFFFFFu;
  return ~((kAll >> first_leaf) ^ (kAll >> (last_leaf + 1)));
}

// Half of the entries of a table have the node's bit.
void put_keep(uint32_t* table, uint64_t bit, uint32_t keep) {
  for (uint32_t entry = 0; entry < kLookupEntries; ++entry) {
    table[entry] &= keep | (((entry >> bit) & 1) - 1);
  }
}

}  // namespace

uint64_t LookupPlan::most_rows(const format::TreeArrays& arrays, const TreeColumns& columns,
                               const SlicePlan& slice) {
  if (most_leaves(arrays) > kLookupLeaves) return 0;
  if (columns.columns().size() > kernels::kLookupMaxColumns) return 0;
  const auto is_category = [](const kernels::BinColumn& column) { return column.category != 0; };
  if (std::ranges::any_of(columns.columns(), is_category)) return 0;
  const uint64_t n_trees = arrays.attributes.n_trees;
  const uint64_t n_inner = (arrays.right.size() - n_trees) / 2;
  if (n_inner * kRoom < n_trees * room_of_trees(arrays) * kLeastOfRoom) return 0;
  return mostly_full(slice) ? kMostRowsOfFullTrees : kMostRows;
}

LookupPlan::LookupPlan(const format::TreeArrays& arrays, const TreeColumns& columns)
    : tree_nodes_(room_of_trees(arrays)) {
  lay_nodes(arrays, columns);
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    lay_values<float>(arrays);
  } else {
    lay_values<double>(arrays);
  }
}

void LookupPlan::lay_nodes(const format::TreeArrays& arrays, const TreeColumns& columns) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  const uint64_t n_tables = n_trees * tree_nodes_ / kernels::kLookupTableNodes;
  const uint64_t step = kernels::kLookupStepNodes;
  const uint64_t n_nodes = (n_trees * tree_nodes_ + step - 1) / step * step;
  columns_.resize(n_nodes, 0);
  ranks_.resize(n_nodes, 0xFF);
  keep_.resize(n_tables * kLookupEntries, 0xFFFFFFFFu);
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    uint64_t at = tree * tree_nodes_;
    visit_inner(arrays, tree, [&](uint64_t node, uint32_t first_leaf, uint32_t last_leaf) {
      const NodeTest test = columns.test(arrays, node);
      columns_[at] = static_cast<uint8_t>(test.column);
      ranks_[at] = static_cast<uint8_t>(test.rank);
      put_keep(keep_.data() + at / kernels::kLookupTableNodes * kLookupEntries,
               at % kernels::kLookupTableNodes, kept_leaves(first_leaf, last_leaf));
      ++at;
    });
  }
}

template <class Float>
void LookupPlan::lay_values(const format::TreeArrays& arrays) {
  constexpr size_t kPieces = sizeof(Float) / sizeof(uint32_t);
  const uint32_t width = arrays.attributes.leaf_width;
  const std::vector<Float> values = leaf_values<Float>(arrays);
  values_.resize(arrays.attributes.n_trees * width * kPieces * kLookupLeaves, 0);
  const Float* value = values.data();
  uint32_t* table = values_.data();
  for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    for (uint64_t leaf = 0; leaf < leaf_count(arrays, tree); ++leaf) {
      for (uint32_t w = 0; w < width; ++w, ++value) {
        uint32_t pieces[kPieces];
        std::memcpy(pieces, value, sizeof *value);
        for (size_t i = 0; i < kPieces; ++i) {
          table[(w * kPieces + i) * kLookupLeaves + leaf] = pieces[i];
        }
      }
    }
    table += width * kPieces * kLookupLeaves;
  }
}

kernels::LookupModel LookupPlan::model(const cordwood_tree_attributes& attributes,
                                       const uint32_t* tree_output,
                                       size_t n_columns) const noexcept {
  return {columns_.data(),      ranks_.data(),
          keep_.data(),         values_.data(),
          tree_output,          static_cast<uint32_t>(attributes.n_trees),
          tree_nodes_,          static_cast<uint32_t>(n_columns),
          attributes.leaf_width};
}

kernels::LookupTask LookupPlan::task(const kernels::SliceTask& word) noexcept {
  static_assert(kernels::kLookupRows == kernels::kSliceWordRows);
  uint64_t* answers = word.conditions;
  uint64_t* rows = answers + kernels::kLookupSteps * kernels::kLookupRows;
  return {word.bins,  reinterpret_cast<uint8_t*>(rows), answers, word.leaves, word.sums,
          word.n_rows};
}

}  // namespace cordwood::runtime
