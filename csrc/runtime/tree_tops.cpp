#include "runtime/tree_tops.hpp"

#include <algorithm>

#include "kernels/tree_walk/step.h"
#include "runtime/tree_engine.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kSliceRows;

/// Copies the tops, tree by tree, and remembers what lies below each exit.
class TopCutter {
 public:
  TopCutter(const format::TreeArrays& whole, format::TreeArrays& tops,
            std::vector<uint64_t>& places_below)
      : whole_(whole), tops_(tops), below_(places_below) {}

  void cut(uint64_t tree) {
    tops_.tree_start.push_back(tops_.right.size());
    const size_t first_exit = below_.size();
    copy(whole_.tree_start[tree], 0, first_node_);
    below_.resize(first_exit + TreeTops::kExits, 0);
    first_node_ += (whole_.tree_start[tree + 1] - whole_.tree_start[tree]) / 2;
  }

 private:
  // Recursion is kLevels deep. `place` is the node's as tree_walk has it.
  void copy(uint64_t node, uint32_t level, uint64_t place) {
    const size_t at = tops_.right.size();
    const bool leaf = whole_.right[node] == 0;
    const bool exit = leaf || level == TreeTops::kLevels;
    tops_.right.push_back(0);
    tops_.column.push_back(exit ? 0 : whole_.column[node]);
    tops_.rank.push_back(exit ? 0 : whole_.rank[node]);
    tops_.missing_left.push_back(exit ? uint8_t{0} : whole_.missing_left[node]);
    if (exit) {
      below_.push_back(place | uint64_t{leaf} << CORDWOOD_WALK_ARRIVED_SHIFT);
      return;
    }
    const uint64_t distance = whole_.right[node] / 2;
    copy(node + 1, level + 1, place + 1);
    tops_.right[at] = static_cast<uint32_t>(tops_.right.size() - at);
    copy(node + whole_.right[node], level + 1,
         place + (distance | distance << CORDWOOD_WALK_LEAF_SHIFT));
  }

  const format::TreeArrays& whole_;
  format::TreeArrays& tops_;
  std::vector<uint64_t>& below_;
  uint64_t first_node_ = 0;  ///< inner nodes of the trees before
};

// Keeps the cuts that the tops ask for: few, where a whole forest may have thousands.
void keep_used_cuts(const format::TreeArrays& whole, format::TreeArrays& tops) {
  std::vector<std::vector<uint32_t>> used(whole.columns.size());
  const auto is_numeric = [&](uint32_t column) {
    return whole.columns[column].kind != CORDWOOD_COLUMN_CATEGORY;
  };
  for (size_t node = 0; node < tops.right.size(); ++node) {
    if (tops.right[node] != 0 && is_numeric(tops.column[node])) {
      used[tops.column[node]].push_back(tops.rank[node]);
    }
  }
  for (uint32_t c = 0; c < whole.columns.size(); ++c) {
    if (!is_numeric(c)) continue;
    std::sort(used[c].begin(), used[c].end());
    used[c].erase(std::unique(used[c].begin(), used[c].end()), used[c].end());
    tops.columns[c].first_cut = tops.cuts.size();
    tops.columns[c].size = static_cast<uint32_t>(used[c].size());
    for (const uint32_t rank : used[c]) {
      tops.cuts.push_back(whole.cuts[whole.columns[c].first_cut + rank]);
    }
  }
  for (size_t node = 0; node < tops.right.size(); ++node) {
    if (tops.right[node] == 0 || !is_numeric(tops.column[node])) continue;
    const std::vector<uint32_t>& kept = used[tops.column[node]];
    tops.rank[node] = static_cast<uint32_t>(
        std::lower_bound(kept.begin(), kept.end(), tops.rank[node]) - kept.begin());
  }
}

}  // namespace

TreeTops::TreeTops(const format::TreeArrays& tops, plan::TreeColumns&& columns,
                   std::vector<uint64_t>&& below)
    : columns_(std::move(columns)),
      conditions_(tops, columns_),
      slice_(tops, conditions_),
      places_below_(std::move(below)) {
  conditions_.forget_nodes();
  for (uint64_t tree = 0; tree < tops.attributes.n_trees; ++tree) {
    const std::span<const uint8_t> exit_of_place = slice_.leaf_of_place(tree);
    uint64_t* places = places_below_.data() + tree * kExits;
    const std::vector<uint64_t> by_exit(places, places + kExits);
    for (size_t i = 0; i < exit_of_place.size(); ++i) places[i] = by_exit[exit_of_place[i]];
  }
}

Result<TreeTops> TreeTops::build(const format::TreeArrays& arrays) noexcept {
  return guard_memory("tops of the trees", [&]() -> Result<TreeTops> {
    format::TreeArrays tops;
    tops.attributes = arrays.attributes;
    tops.columns = arrays.columns;
    tops.category_values = arrays.category_values;
    tops.set_bits = arrays.set_bits;
    std::vector<uint64_t> places_below;
    TopCutter cutter(arrays, tops, places_below);
    for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) cutter.cut(tree);
    tops.tree_start.push_back(tops.right.size());
    keep_used_cuts(arrays, tops);
    Result<plan::TreeColumns> columns = plan::TreeColumns::plan(tops, plan::BinWidth::k8);
    CORDWOOD_RETURN_IF_FAILED(columns.status());
    return TreeTops(tops, std::move(*columns), std::move(places_below));
  });
}

void TreeTops::run(const KernelRow& kernels, uint64_t block_rows, const uint8_t* bins,
                   uint8_t* exits, std::span<std::byte> block) const noexcept {
  Scratch scratch(block);
  kernels::SliceTask task{};
  task.bins = bins;
  task.conditions = scratch.take<uint64_t>(size_t{conditions_.count()} * kernels::kSliceWords + 1);
  task.slots = scratch.take<uint64_t>(kernels::kSliceSlots * kernels::kSliceWords + 1);
  task.spare = scratch.take<double>(kSliceRows);
  task.leaves = exits;
  const kernels::SliceModel model{conditions_.columns().data(),
                                  slice_.operations().data(),
                                  slice_.asked().data(),
                                  slice_.groups().data(),
                                  nullptr,
                                  nullptr,
                                  static_cast<uint32_t>(columns_.columns().size()),
                                  static_cast<uint32_t>(slice_.groups().size()),
                                  conditions_.count(),
                                  0};
  task.n_rows = static_cast<uint32_t>(block_rows);
  (block_rows == kSliceRows ? kernels.tree_slice_leaves : kernels.tree_slice_word_leaves)(model,
                                                                                          task);
}

size_t TreeTops::scratch_bytes() const noexcept {
  return Scratch::bytes_for<uint64_t>(size_t{conditions_.count()} * kernels::kSliceWords + 1) +
         Scratch::bytes_for<uint64_t>(kernels::kSliceSlots * kernels::kSliceWords + 1) +
         Scratch::bytes_for<double>(kSliceRows);
}

uint64_t TreeTops::resident_bytes() const noexcept {
  return columns_.resident_bytes() + conditions_.tables().size() + slice_.resident_bytes() +
         places_below_.size() * sizeof(uint64_t);
}

}  // namespace cordwood::runtime
