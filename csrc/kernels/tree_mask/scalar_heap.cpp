// tree_heap, the reference: node by node.
#include "kernels/tree_mask/tree_heap.hpp"

namespace cordwood::kernels::scalar {

void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                  uint32_t* places) noexcept {
  for (uint32_t tree = 0; tree < model.n_trees; ++tree) {
    const uint8_t* column = model.columns + uint64_t{tree} * kHeapNodes;
    const uint8_t* rank = model.ranks + uint64_t{tree} * kHeapNodes;
    words[tree] = 0;
    for (uint32_t node = 0; node < kHeapNodes; ++node) {
      words[tree] |= static_cast<uint64_t>(bins[column[node]] > rank[node]) << node;
    }
    uint32_t node = 1;
    for (uint32_t level = 0; level < model.levels; ++level) {
      node = 2 * node + static_cast<uint32_t>((words[tree] >> node) & 1);
    }
    places[tree] = node - (1u << model.levels);
  }
}

}  // namespace cordwood::kernels::scalar
