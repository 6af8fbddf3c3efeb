// tree_lookup, the reference: row by row, tree by tree.
#include <cstring>

#include "kernels/tree_lookup/tree_lookup.hpp"

namespace cordwood::kernels::scalar {
namespace {

// What `table` keeps by the answers of `node` and the three after it.
uint32_t kept(const LookupModel& model, const uint32_t* table, uint64_t node, const uint8_t* bins,
              uint32_t row) {
  uint32_t entry = 0;
  for (uint32_t i = 0; i < kLookupTableNodes; ++i) {
    const uint32_t bin = bins[model.columns[node + i] * kLookupRows + row];
    entry |= static_cast<uint32_t>(bin > model.ranks[node + i]) << i;
  }
  return table[entry];
}

uint32_t leaf_of(const LookupModel& model, uint32_t tree, const uint8_t* bins, uint32_t row) {
  const uint64_t first = uint64_t{tree} * model.tree_nodes;
  const uint32_t* table = model.keep + first / kLookupTableNodes * kLookupEntries;
  uint32_t left = ~uint32_t{0};
  for (uint32_t node = 0; node < model.tree_nodes; node += kLookupTableNodes) {
    left &= kept(model, table, first + node, bins, row);
    table += kLookupEntries;
  }
  uint32_t leaf = 0;
  while (((left << leaf) >> 31) == 0) ++leaf;
  return leaf;
}

// Calls `take` with each tree, row and leaf, in tree order.
template <class Take>
void visit(const LookupModel& model, const LookupTask& task, Take&& take) {
  for (uint32_t tree = 0; tree < model.n_trees; ++tree) {
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      take(tree, row, leaf_of(model, tree, task.bins, row));
    }
  }
}

template <class Float>
Float value_at(const uint32_t* table, uint32_t leaf) {
  constexpr uint32_t kPieces = sizeof(Float) / sizeof(uint32_t);
  uint32_t piece[kPieces];
  for (uint32_t i = 0; i < kPieces; ++i) piece[i] = table[i * kLookupLeaves + leaf];
  Float value;
  std::memcpy(&value, piece, sizeof value);
  return value;
}

template <class Float>
void sum(const LookupModel& model, const LookupTask& task) {
  constexpr uint64_t kTable = kLookupLeaves * sizeof(Float) / sizeof(uint32_t);
  visit(model, task, [&](uint32_t tree, uint32_t row, uint32_t leaf) {
    const uint32_t* table = model.values + uint64_t{tree} * model.leaf_width * kTable;
    Float* to =
        static_cast<Float*>(task.sums) + uint64_t{model.tree_output[tree]} * kLookupRows + row;
    for (uint32_t w = 0; w < model.leaf_width; ++w) {
      to[w * kLookupRows] += value_at<Float>(table + w * kTable, leaf);
    }
  });
}

}  // namespace

void tree_lookup_f32(const LookupModel& model, const LookupTask& task) noexcept {
  sum<float>(model, task);
}

void tree_lookup_f64(const LookupModel& model, const LookupTask& task) noexcept {
  sum<double>(model, task);
}

void tree_lookup_leaves(const LookupModel& model, const LookupTask& task) noexcept {
  visit(model, task, [&](uint32_t tree, uint32_t row, uint32_t leaf) {
    task.leaves[uint64_t{tree} * kLookupRows + row] = static_cast<uint8_t>(leaf);
  });
}

}  // namespace cordwood::kernels::scalar
