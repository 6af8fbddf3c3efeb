// tree_lookup, the reference: row by row, tree by tree.
#include <cstring>

#include "kernels/tree_slice/tree_lookup.hpp"

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

// Which rows' categories are in each set of all columns.
void evaluate_sets(const LookupModel& model, const LookupTask& task) {
  uint64_t* out = task.in_set;
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const uint8_t* bins = task.bins + c * kLookupRows;
    for (uint32_t i = 0; i < model.sets[c].n_tables; ++i) {
      const uint8_t* table = model.sets[c].tables + 32 * i;
      uint64_t bits = 0;
      for (uint32_t row = 0; row < kLookupRows; ++row) {
        bits |= static_cast<uint64_t>((table[bins[row] >> 3] >> (bins[row] & 7)) & 1) << row;
      }
      *out++ = bits;
    }
  }
  *out = 0;
}

uint32_t kept_by_eight(const LookupEight& eight, const uint64_t* in_set, uint32_t row) {
  uint32_t answers = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    answers |= static_cast<uint32_t>((in_set[eight.set[i]] >> row) & 1) << i;
  }
  return eight.keep[answers & 15] & eight.keep[kLookupEntries + (answers >> 4)];
}

uint32_t leaf_of(const LookupModel& model, uint32_t tree, const LookupTask& task, uint32_t row) {
  const uint64_t first = uint64_t{tree} * model.tree_nodes;
  const uint32_t* table = model.keep + first / kLookupTableNodes * kLookupEntries;
  uint32_t left = ~uint32_t{0};
  for (uint32_t node = 0; node < model.tree_nodes; node += kLookupTableNodes) {
    left &= kept(model, table, first + node, task.bins, row);
    table += kLookupEntries;
  }
  for (uint32_t e = model.first_eight[tree]; e < model.first_eight[tree + 1]; ++e) {
    left &= kept_by_eight(model.eights[e], task.in_set, row);
  }
  uint32_t leaf = 0;
  while (((left << leaf) >> 31) == 0) ++leaf;
  return leaf;
}

// Calls `take` with each tree, row and leaf, in tree order.
template <class Take>
void visit(const LookupModel& model, const LookupTask& task, Take&& take) {
  evaluate_sets(model, task);
  for (uint32_t tree = 0; tree < model.n_trees; ++tree) {
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      take(tree, row, leaf_of(model, tree, task, row));
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
