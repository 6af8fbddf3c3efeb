#include "cuda/leaf_lists.hpp"

namespace cordwood::cuda {

OutputLists trees_by_output(const format::TreeArrays& arrays,
                            const std::vector<uint32_t>& first_leaf) {
  const cordwood_tree_attributes& trees = arrays.attributes;
  std::vector<std::vector<OutputTree>> lists(trees.n_outputs);
  for (uint32_t tree = 0; tree < trees.n_trees; ++tree) {
    const OutputTree entry{tree, first_leaf[tree]};
    if (trees.leaf_width == 1) {
      lists[arrays.tree_output[tree]].push_back(entry);
    } else {
      for (std::vector<OutputTree>& list : lists) list.push_back(entry);
    }
  }
  OutputLists outputs;
  for (const std::vector<OutputTree>& list : lists) {
    outputs.first.push_back(static_cast<uint32_t>(outputs.trees.size()));
    outputs.trees.insert(outputs.trees.end(), list.begin(), list.end());
  }
  outputs.first.push_back(static_cast<uint32_t>(outputs.trees.size()));
  return outputs;
}

}  // namespace cordwood::cuda
