// tree_slice, the reference: the same bit vectors as eight 64-bit words.
#include <cstring>
#include <type_traits>

#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::scalar {
namespace {

void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t i = 0; i < column.n_ranks; ++i) {
    for (uint32_t word = 0; word < kSliceWords; ++word) {
      uint64_t bits = 0;
      for (uint32_t row = 0; row < 64; ++row) {
        bits |= static_cast<uint64_t>(bins[64 * word + row] > column.ranks[i]) << row;
      }
      out[i * kSliceWords + word] = bits;
    }
  }
}

void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t i = 0; i < column.n_tables; ++i) {
    const uint8_t* table = column.tables + 32 * i;
    for (uint32_t word = 0; word < kSliceWords; ++word) {
      uint64_t bits = 0;
      for (uint32_t row = 0; row < 64; ++row) {
        const uint32_t bin = bins[64 * word + row];
        bits |= static_cast<uint64_t>((table[bin >> 3] >> (bin & 7)) & 1) << row;
      }
      out[i * kSliceWords + word] = bits;
    }
  }
}

void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const uint8_t* bins = task.bins + c * kSliceRows;
    uint64_t* out = task.conditions + uint64_t{column.first_condition} * kSliceWords;
    compare_ranks(column, bins, out);
    look_up_tables(column, bins, out + uint64_t{column.n_ranks} * kSliceWords);
  }
}

void run_group(const SliceModel& model, const SliceGroup& group, const SliceTask& task) {
  for (uint32_t i = 0; i < group.n_operations; ++i) {
    const SliceOperation& op = model.operations[group.first_operation + i];
    for (uint32_t word = 0; word < kSliceWords; ++word) {
      const uint64_t condition = task.conditions[uint64_t{op.condition} * kSliceWords + word];
      task.slots[op.self * kSliceWords + word] =
          (condition | task.slots[op.above * kSliceWords + word]) &
          task.slots[op.below * kSliceWords + word];
    }
  }
}

// Exit leaf of each row: the number of nodes that the row lies beyond, digit by digit.
void read_leaves(const uint64_t* slots, uint32_t digits, uint8_t* leaves) {
  for (uint32_t word = 0; word < kSliceWords; ++word) {
    for (uint32_t row = 0; row < 64; ++row) leaves[64 * word + row] = 0;
    for (uint32_t p = 0; p < digits; ++p) {
      uint64_t digit = 0;
      for (uint32_t node = (1u << p) - 1; node < (1u << digits) - 1; node += 1u << p) {
        digit ^= slots[node * kSliceWords + word];
      }
      for (uint32_t row = 0; row < 64; ++row) {
        leaves[64 * word + row] |= static_cast<uint8_t>(((digit >> row) & 1) << p);
      }
    }
  }
}

void fill_constants(const SliceTask& task) {
  for (uint32_t word = 0; word < kSliceWords; ++word) {
    task.slots[kSliceZeros * kSliceWords + word] = 0;
    task.slots[kSliceOnes * kSliceWords + word] = ~uint64_t{0};
  }
}

template <class Float>
void add_leaves(const uint8_t* planes, uint32_t entries, const uint8_t* leaves, Float* sums) {
  using Bits = std::conditional_t<sizeof(Float) == 8, uint64_t, uint32_t>;
  for (uint32_t row = 0; row < kSliceRows; ++row) {
    Bits bits = 0;
    for (uint32_t byte = 0; byte < sizeof(Float); ++byte) {
      bits |= static_cast<Bits>(planes[entries * byte + leaves[row]]) << (8 * byte);
    }
    Float value;
    std::memcpy(&value, &bits, sizeof value);
    sums[row] += value;
  }
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    run_group(model, group, task);
    const uint32_t entries = slice_entries(group.digits);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(task.slots + slice_slot(group.digits, t, 0) * kSliceWords, group.digits,
                  task.leaves);
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += entries * sizeof(Float)) {
        add_leaves(table, entries, task.leaves,
                   sums + uint64_t{model.tree_output[group.first_tree + t] + w} * kSliceRows);
      }
    }
  }
}

}  // namespace

void tree_slice_f32(const SliceModel& model, const SliceTask& task) noexcept {
  sum<float>(model, task);
}

void tree_slice_f64(const SliceModel& model, const SliceTask& task) noexcept {
  sum<double>(model, task);
}

void tree_slice_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  fill_constants(task);
  evaluate_conditions(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(task.slots + slice_slot(group.digits, t, 0) * kSliceWords, group.digits,
                  task.leaves + uint64_t{group.first_tree + t} * kSliceRows);
    }
  }
}

}  // namespace cordwood::kernels::scalar
