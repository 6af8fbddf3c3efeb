#include "runtime/tree_mask_plan.hpp"

#include <algorithm>

#include "runtime/tree_shape.hpp"

namespace cordwood::runtime {

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
