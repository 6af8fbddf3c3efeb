#include "runtime/tree_mask_plan.hpp"

#include <algorithm>

#include "plan/tree_shape.hpp"

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

/// A category node on its way into a run.
struct MaskPlan::CategoryNode {
  uint32_t column;
  uint32_t lane;
  uint32_t table;
  uint64_t keep;
};

void MaskPlan::put_keep(size_t at, uint64_t keep) {
  if (lanes == kernels::kMaskLanes32) {
    keep32[at] = static_cast<uint32_t>(keep);
  } else {
    keep64[at] = keep;
  }
}

// One run for each column; the j-th node of a lane takes its j-th step.
void MaskPlan::add_runs(std::vector<CategoryNode>& nodes, const SliceConditions& conditions,
                        const plan::TreeColumns& tree_columns, kernels::MaskGroup& group) {
  const bool small = lanes == kernels::kMaskLanes32;
  group.first_run = static_cast<uint32_t>(runs.size());
  std::ranges::stable_sort(nodes, {}, &CategoryNode::column);
  for (size_t first = 0; first < nodes.size();) {
    size_t end = first;
    std::vector<uint32_t> used(lanes, 0);
    while (end < nodes.size() && nodes[end].column == nodes[first].column) {
      ++used[nodes[end++].lane];
    }
    kernels::MaskRun run{};
    run.column = nodes[first].column;
    run.n_steps = *std::ranges::max_element(used);
    run.first_bit_byte = bits.size();
    run.first_step = static_cast<uint32_t>((small ? run_keep32.size() : run_keep64.size()) / lanes);
    const uint32_t n_bins = tree_columns.columns()[run.column].count + 2;  // any other, NaN
    bits.resize(bits.size() + size_t{n_bins} * run.n_steps * lanes / 8, 0);
    const size_t entries = size_t{run.first_step + run.n_steps} * lanes;
    if (small) {
      run_keep32.resize(entries, 0xFFFFFFFFu);
    } else {
      run_keep64.resize(entries, ~uint64_t{0});
    }
    std::ranges::fill(used, 0u);
    for (; first < end; ++first) {
      const CategoryNode& node = nodes[first];
      const uint32_t step = used[node.lane]++;
      const size_t at = size_t{run.first_step + step} * lanes + node.lane;
      if (small) {
        run_keep32[at] = static_cast<uint32_t>(node.keep);
      } else {
        run_keep64[at] = node.keep;
      }
      const uint8_t* table = conditions.tables().data() + 32 * size_t{node.table};
      for (uint32_t bin = 0; bin < n_bins; ++bin) {
        if (((table[bin >> 3] >> (bin & 7)) & 1) == 0) continue;
        const size_t bit = (size_t{bin} * run.n_steps + step) * lanes + node.lane;
        uint8_t& byte = bits[run.first_bit_byte + (bit >> 3)];
        byte = static_cast<uint8_t>(byte | (1u << (bit & 7)));
      }
    }
    runs.push_back(run);
  }
  group.n_runs = static_cast<uint32_t>(runs.size()) - group.first_run;
}

MaskPlan::MaskPlan(const format::TreeArrays& arrays, const plan::TreeColumns& tree_columns,
                   const SliceConditions& conditions) {
  const uint64_t n_trees = arrays.attributes.n_trees;
  const bool small = plan::most_leaves(arrays) <= 32;
  lanes = small ? kernels::kMaskLanes32 : kernels::kMaskLanes64;
  const uint32_t steps_at_once = 64 / lanes;
  uint32_t n_steps = 0;
  for (uint64_t first = 0; first < n_trees; first += lanes) {
    const auto in_group = static_cast<uint32_t>(std::min<uint64_t>(lanes, n_trees - first));
    std::vector<uint32_t> used(lanes, 0);  // steps of each lane
    std::vector<CategoryNode> category_nodes;
    kernels::MaskGroup group{};
    group.first_step = n_steps;
    size_t most = 0;
    for (uint32_t t = 0; t < in_group; ++t) {
      most = std::max<size_t>(most, plan::leaf_count(arrays, first + t) - 1);
    }
    // Room for every node; steps that stay unused are cut below.
    const size_t base = size_t{n_steps} * lanes;
    const size_t room = base + (most + steps_at_once) * lanes;
    resize(room);
    for (uint32_t t = 0; t < in_group; ++t) {
      plan::visit_inner(
          arrays, first + t, [&](uint64_t node, uint32_t first_leaf, uint32_t last_leaf) {
            const plan::NodeTest test = tree_columns.test(arrays, node);
            const uint64_t left =
                ((uint64_t{2} << last_leaf) - 1) ^ ((uint64_t{1} << first_leaf) - 1);
            if (test.category) {
              category_nodes.push_back({test.column, t, conditions.table_of(node), ~left});
              return;
            }
            const size_t at = base + size_t{used[t]++} * lanes + t;
            columns[at] = static_cast<uint8_t>(test.column);
            ranks[at] = static_cast<uint8_t>(test.rank);
            put_keep(at, ~left);
          });
    }
    const uint32_t longest = *std::max_element(used.begin(), used.end());
    group.n_steps = (longest + steps_at_once - 1) / steps_at_once * steps_at_once;
    add_runs(category_nodes, conditions, tree_columns, group);
    n_steps += group.n_steps;
    resize(size_t{n_steps} * lanes);
    groups.push_back(group);
  }
}

kernels::MaskModel MaskPlan::model(size_t n_columns) const noexcept {
  const bool small = lanes == kernels::kMaskLanes32;
  const auto pick = [small](const void* words32, const void* words64) {
    return small ? words32 : words64;
  };
  return {groups.data(),
          columns.data(),
          ranks.data(),
          pick(keep32.data(), keep64.data()),
          runs.data(),
          bits.data(),
          pick(run_keep32.data(), run_keep64.data()),
          static_cast<uint32_t>(groups.size()),
          static_cast<uint32_t>(n_columns),
          lanes};
}

}  // namespace cordwood::runtime
