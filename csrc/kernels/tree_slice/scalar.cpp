// tree_slice, the reference: bit vectors are eight 64-bit words, or one.
#include <cstring>
#include <type_traits>

#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::scalar {
namespace {

// Blocks of `kWords` words of rows.
template <uint32_t kWords>
struct Slice {
  static constexpr uint32_t kRows = 64 * kWords;

  static void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
    for (uint32_t i = 0; i < column.n_ranks; ++i) {
      for (uint32_t word = 0; word < kWords; ++word) {
        uint64_t bits = 0;
        for (uint32_t row = 0; row < 64; ++row) {
          bits |= static_cast<uint64_t>(bins[64 * word + row] > column.ranks[i]) << row;
        }
        out[i * kWords + word] = bits;
      }
    }
  }

  static void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
    for (uint32_t i = 0; i < column.n_tables; ++i) {
      const uint8_t* table = column.tables + 32 * i;
      for (uint32_t word = 0; word < kWords; ++word) {
        uint64_t bits = 0;
        for (uint32_t row = 0; row < 64; ++row) {
          const uint32_t bin = bins[64 * word + row];
          bits |= static_cast<uint64_t>((table[bin >> 3] >> (bin & 7)) & 1) << row;
        }
        out[i * kWords + word] = bits;
      }
    }
  }

  static void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
    for (uint32_t c = 0; c < model.n_columns; ++c) {
      const SliceColumn& column = model.columns[c];
      const uint8_t* bins = task.bins + c * kRows;
      uint64_t* out = task.conditions + uint64_t{column.first_condition} * kWords;
      compare_ranks(column, bins, out);
      look_up_tables(column, bins, out + uint64_t{column.n_ranks} * kWords);
    }
  }

  static void run_group(const SliceModel& model, const SliceGroup& group, const SliceTask& task) {
    for (uint32_t i = 0; i < group.n_operations; ++i) {
      const SliceOperation& op = model.operations[group.first + i];
      for (uint32_t word = 0; word < kWords; ++word) {
        const uint64_t condition = task.conditions[uint64_t{op.condition} * kWords + word];
        task.slots[op.self * kWords + word] = (condition | task.slots[op.above * kWords + word]) &
                                              task.slots[op.below * kWords + word];
      }
    }
  }

  // Digits of the exit leaf of 64 rows, the last one first: the number of nodes that the row lies beyond.
  static void read_digits(const uint64_t* slots, uint32_t digits, uint64_t* digit) {
    for (uint32_t p = 0; p < digits; ++p) {
      digit[p] = 0;
      for (uint32_t node = (1u << p) - 1; node < (1u << digits) - 1; node += 1u << p) {
        digit[p] ^= slots[node * kWords];
      }
    }
  }

  // The same for a full tree: each digit halves what may answer on the levels below.
  static void choose_digits(const uint32_t* asked, const uint64_t* conditions, uint32_t digits,
                            uint64_t* digit) {
    for (uint32_t level = 0; level < digits; ++level) {
      uint64_t open[1u << (kSliceMaxDigits - 1)];
      uint32_t n_open = 1u << level;
      for (uint32_t i = 0; i < n_open; ++i) {
        open[i] = conditions[uint64_t{asked[n_open - 1 + i]} * kWords];
      }
      for (uint32_t above = 0; above < level; ++above) {
        n_open /= 2;
        const uint64_t right = digit[digits - 1 - above];
        for (uint32_t i = 0; i < n_open; ++i) {
          open[i] = (open[i] & ~right) | (open[i + n_open] & right);
        }
      }
      digit[digits - 1 - level] = open[0];
    }
  }

  static void write_leaves(const uint64_t* digit, uint32_t digits, uint8_t* leaves) {
    for (uint32_t row = 0; row < 64; ++row) {
      leaves[row] = 0;
      for (uint32_t p = 0; p < digits; ++p) {
        leaves[row] |= static_cast<uint8_t>(((digit[p] >> row) & 1) << p);
      }
    }
  }

  // Leaves of tree `t` of a group.
  static void read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                          const SliceTask& task, uint8_t* leaves) {
    const uint32_t digits = group.tree_digits[t];
    const uint32_t* asked =
        model.asked + group.first + uint64_t{t} * slice_asked(group.form, digits);
    for (uint32_t word = 0; word < kWords; ++word) {
      uint64_t digit[kSliceMaxDigits] = {};
      switch (group.form) {
        case SliceForm::kAny:
          read_digits(task.slots + slice_slot(group.digits, t, 0) * kWords + word, digits, digit);
          break;
        case SliceForm::kFull:
          choose_digits(asked, task.conditions + word, digits, digit);
          break;
        case SliceForm::kOblivious:
          for (uint32_t p = 0; p < digits; ++p) {
            digit[p] = task.conditions[uint64_t{asked[digits - 1 - p]} * kWords + word];
          }
          break;
      }
      write_leaves(digit, digits, leaves + 64 * word);
    }
  }

  static void fill_constants(const SliceTask& task) {
    for (uint32_t word = 0; word < kWords; ++word) {
      task.slots[kSliceZeros * kWords + word] = 0;
      task.slots[kSliceOnes * kWords + word] = ~uint64_t{0};
    }
  }

  template <class Float>
  static void add_leaves(const uint8_t* planes, uint32_t entries, const uint8_t* leaves,
                         Float* sums) {
    using Bits = std::conditional_t<sizeof(Float) == 8, uint64_t, uint32_t>;
    for (uint32_t row = 0; row < kRows; ++row) {
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
  static void sum(const SliceModel& model, const SliceTask& task) {
    fill_constants(task);
    evaluate_conditions(model, task);
    auto* sums = static_cast<Float*>(task.sums);
    for (uint32_t g = 0; g < model.n_groups; ++g) {
      const SliceGroup& group = model.groups[g];
      if (group.form == SliceForm::kAny) run_group(model, group, task);
      const uint32_t entries = slice_entries(group.digits);
      const uint8_t* table = model.planes + group.first_plane;
      for (uint32_t t = 0; t < group.n_trees; ++t) {
        read_leaves(model, group, t, task, task.leaves);
        for (uint32_t w = 0; w < model.leaf_width; ++w, table += entries * sizeof(Float)) {
          add_leaves(table, entries, task.leaves,
                     sums + uint64_t{model.tree_output[group.first_tree + t] + w} * kRows);
        }
      }
    }
  }

  static void leaves(const SliceModel& model, const SliceTask& task) {
    fill_constants(task);
    evaluate_conditions(model, task);
    for (uint32_t g = 0; g < model.n_groups; ++g) {
      const SliceGroup& group = model.groups[g];
      if (group.form == SliceForm::kAny) run_group(model, group, task);
      for (uint32_t t = 0; t < group.n_trees; ++t) {
        read_leaves(model, group, t, task, task.leaves + uint64_t{group.first_tree + t} * kRows);
      }
    }
  }
};

using Block = Slice<kSliceWords>;
using Word = Slice<1>;

}  // namespace

void tree_slice_f32(const SliceModel& model, const SliceTask& task) noexcept {
  Block::sum<float>(model, task);
}

void tree_slice_f64(const SliceModel& model, const SliceTask& task) noexcept {
  Block::sum<double>(model, task);
}

void tree_slice_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  Block::leaves(model, task);
}

void tree_slice_word_f32(const SliceModel& model, const SliceTask& task) noexcept {
  Word::sum<float>(model, task);
}

void tree_slice_word_f64(const SliceModel& model, const SliceTask& task) noexcept {
  Word::sum<double>(model, task);
}

void tree_slice_word_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  Word::leaves(model, task);
}

}  // namespace cordwood::kernels::scalar
