#include "runtime/tree_lookup_plan.hpp"

#include <algorithm>
#include <cstring>

#include "plan/tree_shape.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kLookupEntries;
using kernels::kLookupLeaves;

// Where tree_lookup begins to beat single rows, and ends to beat blocks of tree_slice, or words of full
// trees, whose digits are read off their conditions. Measured on Zen 5.
constexpr uint64_t kLeastRows = 4;
constexpr uint64_t kLeastRowsWithSets = 6;
constexpr uint64_t kMostRows = 256;
constexpr uint64_t kMostRowsOfFullTrees = 32;

constexpr uint32_t kEight = 8;

// Where less than two fifths of what a step has room for are nodes, words cost less.
constexpr uint64_t kRoom = 5;
constexpr uint64_t kLeastOfRoom = 2;

// Parts of the kernel's scratch.
constexpr size_t kAnswerWords = size_t{kernels::kLookupSteps} * kernels::kLookupRows;
constexpr size_t kRowWords =
    size_t{kernels::kLookupRows} * kernels::kLookupMaxColumns / sizeof(uint64_t);

uint32_t room_of_trees(const format::TreeArrays& arrays) {
  const bool few = plan::most_leaves(arrays) <= kernels::kLookupFewNodes + 1;
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

LookupPlan::Rows LookupPlan::rows(const format::TreeArrays& arrays,
                                  const plan::TreeColumns& columns, const SlicePlan& slice) {
  if (plan::most_leaves(arrays) > kLookupLeaves) return {};
  if (columns.columns().size() > kernels::kLookupMaxColumns) return {};
  const uint64_t n_trees = arrays.attributes.n_trees;
  const uint64_t n_inner = (arrays.right.size() - n_trees) / 2;
  if (n_inner * kRoom < n_trees * room_of_trees(arrays) * kLeastOfRoom) return {};
  const bool sets = std::ranges::any_of(
      columns.columns(), [](const kernels::BinColumn& column) { return column.category != 0; });
  return {sets ? kLeastRowsWithSets : kLeastRows,
          mostly_full(slice) ? kMostRowsOfFullTrees : kMostRows};
}

LookupPlan::LookupPlan(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
                       const SliceConditions& conditions)
    : tree_nodes_(room_of_trees(arrays)), n_sets_(conditions.n_tables()) {
  lay_nodes(arrays, columns, conditions);
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    lay_values<float>(arrays);
  } else {
    lay_values<double>(arrays);
  }
}

// Node `number` of the category nodes of the last tree so far.
void LookupPlan::add_category_node(uint32_t number, uint32_t set, uint32_t keep) {
  const uint32_t place = number % kEight;
  if (place == 0) {
    kernels::LookupEight& eight = eights_.emplace_back();
    std::ranges::fill(eight.set, n_sets_);
    std::ranges::fill(eight.keep, 0xFFFFFFFFu);
  }
  kernels::LookupEight& eight = eights_.back();
  eight.set[place] = set;
  put_keep(eight.keep + place / kernels::kLookupTableNodes * kLookupEntries,
           place % kernels::kLookupTableNodes, keep);
}

void LookupPlan::lay_nodes(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
                           const SliceConditions& conditions) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  const uint64_t step = kernels::kLookupStepNodes;
  const uint64_t n_nodes = (n_trees * tree_nodes_ + step - 1) / step * step;
  columns_.resize(n_nodes, 0);
  ranks_.resize(n_nodes, 0xFF);
  keep_.resize(n_nodes / kernels::kLookupTableNodes * kLookupEntries, 0xFFFFFFFFu);
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    uint64_t at = tree * tree_nodes_;
    uint32_t n_category_nodes = 0;
    plan::visit_inner(arrays, tree, [&](uint64_t node, uint32_t first_leaf, uint32_t last_leaf) {
      const plan::NodeTest test = columns.test(arrays, node);
      const uint32_t keep = kept_leaves(first_leaf, last_leaf);
      if (test.category) {
        add_category_node(n_category_nodes++, conditions.table_of(node), keep);
        return;
      }
      columns_[at] = static_cast<uint8_t>(test.column);
      ranks_[at] = static_cast<uint8_t>(test.rank);
      put_keep(keep_.data() + at / kernels::kLookupTableNodes * kLookupEntries,
               at % kernels::kLookupTableNodes, keep);
      ++at;
    });
    first_eight_.push_back(static_cast<uint32_t>(eights_.size()));
  }
}

template <class Float>
void LookupPlan::lay_values(const format::TreeArrays& arrays) {
  constexpr size_t kPieces = sizeof(Float) / sizeof(uint32_t);
  const uint32_t width = arrays.attributes.leaf_width;
  const std::vector<Float> values = plan::leaf_values<Float>(arrays);
  values_.resize(arrays.attributes.n_trees * width * kPieces * kLookupLeaves, 0);
  const Float* value = values.data();
  uint32_t* table = values_.data();
  for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    for (uint64_t leaf = 0; leaf < plan::leaf_count(arrays, tree); ++leaf) {
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
                                       const SliceConditions& conditions,
                                       const uint32_t* tree_output) const noexcept {
  return {columns_.data(),
          ranks_.data(),
          keep_.data(),
          values_.data(),
          conditions.columns().data(),
          eights_.data(),
          first_eight_.data(),
          tree_output,
          static_cast<uint32_t>(attributes.n_trees),
          tree_nodes_,
          static_cast<uint32_t>(conditions.columns().size()),
          n_sets_,
          attributes.leaf_width};
}

size_t LookupPlan::scratch_words() const noexcept {
  return kAnswerWords + kRowWords + n_sets_ + 1;
}

kernels::LookupTask LookupPlan::task(const kernels::SliceTask& word) noexcept {
  static_assert(kernels::kLookupRows == kernels::kSliceWordRows);
  kernels::LookupTask task{};
  task.bins = word.bins;
  task.answers = word.conditions;
  task.rows = reinterpret_cast<uint8_t*>(task.answers + kAnswerWords);
  task.in_set = task.answers + kAnswerWords + kRowWords;
  task.leaves = word.leaves;
  task.sums = word.sums;
  task.n_rows = word.n_rows;
  return task;
}

}  // namespace cordwood::runtime
