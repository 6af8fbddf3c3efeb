#include "runtime/tree_heap_plan.hpp"

#include <algorithm>

#include "plan/tree_shape.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kHeapNodes;

// Bytes that tree_mask reads for a node: column, rank and a mask with a bit a leaf.
uint64_t mask_bytes(uint64_t leaves) {
  return 2 + (leaves <= 32 ? sizeof(uint32_t) : sizeof(uint64_t));
}

}  // namespace

bool HeapPlan::suits(const format::TreeArrays& arrays) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  uint64_t n_inner = 0;
  for (uint64_t node = 0; node < arrays.right.size(); ++node) {
    if (arrays.right[node] == 0) continue;
    if (arrays.columns[arrays.column[node]].kind == CORDWOOD_COLUMN_CATEGORY) return false;
    ++n_inner;
  }
  if (n_inner * mask_bytes(plan::most_leaves(arrays)) <= n_trees * 2 * kHeapNodes) return false;
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    if (plan::longest_path(arrays, tree) > kernels::kHeapLevels) return false;
  }
  return true;
}

HeapPlan::HeapPlan(const format::TreeArrays& arrays, const plan::TreeColumns& columns) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    levels_ = std::max(levels_, plan::longest_path(arrays, tree));
  }
  const uint64_t filled = (n_trees + kernels::kHeapTreesAtOnce - 1) / kernels::kHeapTreesAtOnce *
                          kernels::kHeapTreesAtOnce;
  columns_.assign(filled * kHeapNodes, 0);
  ranks_.assign(filled * kHeapNodes, 0xFF);
  bool full = true;
  for (uint64_t tree = 0; tree < n_trees; ++tree) {
    fill(arrays, columns, tree, arrays.tree_start[tree], 0, 0);
    full = full && plan::leaf_count(arrays, tree) == uint64_t{1} << levels_;
  }
  if (full) leaf_of_place_ = {};
}

// Leaves come in order, so that the places of each follow those of the one before.
void HeapPlan::fill(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
                    uint64_t tree, uint64_t node, uint32_t level, uint32_t across) {
  if (arrays.right[node] == 0) {
    const size_t first = tree << levels_;
    const uint8_t leaf = across == 0 ? uint8_t{0} : static_cast<uint8_t>(leaf_of_place_.back() + 1);
    leaf_of_place_.resize(first + (size_t{across + 1} << (levels_ - level)), leaf);
    return;
  }
  const plan::NodeTest test = columns.test(arrays, node);
  const size_t at = tree * kHeapNodes + (size_t{1} << level) + across;
  columns_[at] = static_cast<uint8_t>(test.column);
  ranks_[at] = static_cast<uint8_t>(test.rank);
  fill(arrays, columns, tree, node + 1, level + 1, 2 * across);
  fill(arrays, columns, tree, node + arrays.right[node], level + 1, 2 * across + 1);
}

kernels::HeapModel HeapPlan::model(size_t n_columns) const noexcept {
  return {columns_.data(), ranks_.data(), static_cast<uint32_t>(n_trees()),
          static_cast<uint32_t>(n_columns), levels_};
}

void HeapPlan::to_leaves(uint32_t* places, uint64_t n_trees) const noexcept {
  if (leaf_of_place_.empty()) return;
  const uint8_t* leaf = leaf_of_place_.data();
  for (uint64_t tree = 0; tree < n_trees; ++tree, leaf += size_t{1} << levels_) {
    places[tree] = leaf[places[tree]];
  }
}

}  // namespace cordwood::runtime
