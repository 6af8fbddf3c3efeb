#include "plan/tree_shape.hpp"

#include <algorithm>

namespace cordwood::plan {
namespace {

// Level-order positions of a tree's leaves, left to right.
void number_by_level(const format::TreeArrays& arrays, uint64_t first, uint64_t end,
                     std::vector<int32_t>& out) {
  std::vector<uint64_t> queue{first};
  std::vector<int32_t> position(end - first);
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint64_t node = queue[i];
    position[node - first] = static_cast<int32_t>(i);
    if (arrays.right[node] != 0) {
      queue.push_back(node + 1);
      queue.push_back(node + arrays.right[node]);
    }
  }
  for (uint64_t node = first; node < end; ++node) {
    if (arrays.right[node] == 0) out.push_back(position[node - first]);
  }
}

}  // namespace

void shape_tree(const format::TreeArrays& arrays, uint64_t tree, std::vector<ShapedNode>& out) {
  out.clear();
  struct Subtree {
    uint64_t node;
    uint32_t first_leaf, above, below;
  };
  std::vector<Subtree> queue{{arrays.tree_start[tree], 0, ShapedNode::kNone, ShapedNode::kNone}};
  for (size_t i = 0; i < queue.size(); ++i) {
    const Subtree at = queue[i];
    const uint32_t distance = arrays.right[at.node];
    if (distance == 0) continue;
    const uint32_t middle = at.first_leaf + leaves_left_of(distance);
    const uint32_t order = middle - 1;
    out.push_back({at.node, order, at.above, at.below});
    queue.push_back({at.node + 1, at.first_leaf, order, at.below});
    queue.push_back({at.node + distance, middle, at.above, order});
  }
}

uint32_t longest_path(const format::TreeArrays& arrays, uint64_t tree) {
  uint32_t level = 0, longest = 0;
  std::vector<uint32_t> aside;  // levels of right children yet to come
  for (uint64_t node = arrays.tree_start[tree]; node < arrays.tree_start[tree + 1]; ++node) {
    if (arrays.right[node] != 0) {
      aside.push_back(++level);
      longest = std::max(longest, level);
    } else if (!aside.empty()) {
      level = aside.back();
      aside.pop_back();
    }
  }
  return longest;
}

uint64_t most_leaves(const format::TreeArrays& arrays) noexcept {
  uint64_t most = 0;
  for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    most = std::max(most, leaf_count(arrays, tree));
  }
  return most;
}

std::vector<uint32_t> leaf_rows(const format::TreeArrays& arrays) {
  // No branch on what no processor foresees: an inner node is overwritten by what follows it.
  std::vector<uint32_t> rows((arrays.right.size() + arrays.attributes.n_trees) / 2 + 1);
  size_t n_leaves = 0;
  for (size_t node = 0; node < arrays.right.size(); ++node) {
    rows[n_leaves] = arrays.rank[node];
    n_leaves += static_cast<size_t>(arrays.right[node] == 0);
  }
  rows.resize(n_leaves);
  return rows;
}

std::vector<uint32_t> first_leaves(const format::TreeArrays& arrays) {
  std::vector<uint32_t> first;
  uint64_t leaves = 0;
  for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    first.push_back(static_cast<uint32_t>(leaves));
    leaves += leaf_count(arrays, tree);
  }
  return first;
}

std::vector<int32_t> leaf_numbers(const format::TreeArrays& arrays) {
  std::vector<int32_t> numbers;
  numbers.reserve((arrays.right.size() + arrays.attributes.n_trees) / 2);
  if (arrays.attributes.leaf_numbering == CORDWOOD_NUMBER_LISTED) {
    for (const uint32_t number : arrays.leaf_number) {
      numbers.push_back(static_cast<int32_t>(number));
    }
    return numbers;
  }
  for (uint64_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    const uint64_t first = arrays.tree_start[tree];
    const uint64_t end = arrays.tree_start[tree + 1];
    if (arrays.attributes.leaf_numbering == CORDWOOD_NUMBER_LEVEL) {
      number_by_level(arrays, first, end, numbers);
      continue;
    }
    for (uint64_t node = first; node < end; ++node) {
      if (arrays.right[node] == 0) numbers.push_back(static_cast<int32_t>(node - first));
    }
  }
  return numbers;
}

}  // namespace cordwood::plan
