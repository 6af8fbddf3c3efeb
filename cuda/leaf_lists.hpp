// Lists of leaves and trees as the kernels that add leaves read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/sum_leaves.hpp"
#include "format/trees.hpp"

namespace cordwood::cuda {

/// What every leaf has, from the left of each tree, in another order of the leaves of each.
template <class T>
std::vector<T> in_order(const std::vector<T>& leaves, const std::vector<uint32_t>& first_leaf,
                        const std::vector<uint32_t>& order) {
  std::vector<T> moved(leaves.size());
  for (std::size_t tree = 0; tree < first_leaf.size(); ++tree) {
    const std::size_t end = tree + 1 < first_leaf.size() ? first_leaf[tree + 1] : leaves.size();
    for (std::size_t at = first_leaf[tree]; at < end; ++at) {
      moved[at] = leaves[first_leaf[tree] + order[at]];
    }
  }
  return moved;
}

/// The trees that each output adds, in their order.
struct OutputLists {
  std::vector<OutputTree> trees;
  std::vector<uint32_t> first;  ///< [n_outputs + 1]
};

/// `first_leaf` is that of plan::first_leaves(). May throw std::bad_alloc.
OutputLists trees_by_output(const format::TreeArrays& arrays,
                            const std::vector<uint32_t>& first_leaf);

}  // namespace cordwood::cuda
