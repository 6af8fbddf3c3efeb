// tree_slice for up to 64 rows on NEON: a bit vector is one word.
//
// Bits 0-3 of byte j are rows j, 16 + j, 32 + j, 48 + j; bits 4-7 are the rows eight further on. In this
// order four compares and four selects make a word, and half of the bit transpose that takes leaf
// numbers out again works on whole registers.
//
// Nodes are three loads, two operations and a store in general registers, full trees choose in the lower
// halves of vector registers. Instructions for a tree of 31 leaves and float64: 30 x 11 for the nodes, 31
// loads and exclusive ors, 30 for the transpose, 132 for 32 rows of leaf values; rows beyond the last
// are left out by the 32. A condition takes 15.
#include "kernels/tree_slice/neon.hpp"

#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::neon {
namespace {

constexpr uint32_t kRegisters = kSliceWordRows / kByteRows;

// ---- conditions ------------------------------------------------------------------------------

// From answers (all ones or zeros) to a word.
[[gnu::always_inline]] inline void store_word(uint64_t* out, const uint8x16_t* answer) {
  const uint8x16_t four = gather_four(answer);
  const uint8x8_t word = vbsl_u8(vdup_n_u8(0x0F), vget_low_u8(four), vget_high_u8(four));
  vst1_u64(out, vreinterpret_u64_u8(word));
}

void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    uint8x16_t bin_u8x16[kRegisters];
    for (uint32_t r = 0; r < kRegisters; ++r) {
      bin_u8x16[r] = load(task.bins + c * kSliceWordRows + r * kByteRows);
    }
    uint64_t* out = task.conditions + column.first_condition;
    uint8x16_t answer[kRegisters];
    for (uint32_t i = 0; i < column.n_ranks; ++i) {
      const uint8x16_t rank = vdupq_n_u8(column.ranks[i]);
#pragma GCC unroll 4
      for (uint32_t r = 0; r < kRegisters; ++r) answer[r] = vcgtq_u8(bin_u8x16[r], rank);
      store_word(out + i, answer);
    }
    out += column.n_ranks;
    for (uint32_t i = 0; i < column.n_tables; ++i) {
#pragma GCC unroll 4
      for (uint32_t r = 0; r < kRegisters; ++r) {
        answer[r] = look_up_bits(column.tables + 32 * i, bin_u8x16[r]);
      }
      store_word(out + i, answer);
    }
  }
}

// ---- nodes -----------------------------------------------------------------------------------

void run_group(const SliceModel& model, const SliceGroup& group, const SliceTask& task) {
  const SliceOperation* op = model.operations + group.first;
  const SliceOperation* end = op + group.n_operations;
  const uint64_t* conditions = task.conditions;
  uint64_t* slots = task.slots;
#pragma GCC unroll 4
  for (; op != end; ++op) {
    slots[op->self] = (conditions[op->condition] | slots[op->above]) & slots[op->below];
  }
}

void fill_constants(const SliceTask& task) {
  task.slots[kSliceZeros] = 0;
  task.slots[kSliceOnes] = ~uint64_t{0};
}

// ---- leaf numbers ----------------------------------------------------------------------------

[[gnu::always_inline]] inline uint8x8_t word(const uint64_t* p) {
  return vreinterpret_u8_u64(vld1_u64(p));
}

// Digits of the exit leaf, as tree_slice on blocks reads them.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, uint8x8_t* digit) {
  uint8x8_t above = vdup_n_u8(0);
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above = veor_u8(above, word(slots + node));
    }
    digit[p] = above;
  }
}

template <uint32_t kAbove>
[[gnu::always_inline]] inline uint8x8_t choose(const uint64_t* conditions, const uint32_t* asked,
                                               const uint8x8_t* above) {
  if constexpr (kAbove == 0) {
    return word(conditions + *asked);
  } else {
    const uint8x8_t left = choose<kAbove - 1>(conditions, asked, above + 1);
    const uint8x8_t right = choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return vbsl_u8(*above, right, left);
  }
}

template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 uint8x8_t* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

// Digits of 64 rows to 64 leaf numbers, in row order.
[[gnu::always_inline]] inline void store_leaves(const uint8x8_t* digit, uint8_t* leaves) {
  uint8x16_t row[kRegisters];
#pragma GCC unroll 4
  for (uint32_t i = 0; i < kRegisters; ++i) {
    row[i] =
        vcombine_u8(vsli_n_u8(digit[i], digit[i + 4], 4), vsri_n_u8(digit[i + 4], digit[i], 4));
  }
  transpose_in_nibbles(row);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < kRegisters; ++i) store(leaves + i * kByteRows, row[i]);
}

template <uint32_t kDigits>
void read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t, const SliceTask& task,
               uint8_t* leaves) {
  uint8x8_t digit[kSliceMaxDigits];
#pragma GCC unroll 8
  for (uint32_t p = kDigits; p < kSliceMaxDigits; ++p) digit[p] = vdup_n_u8(0);
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(task.slots + slice_slot(group.digits, t, 0), digit);
      break;
    case SliceForm::kFull: {
      uint8x8_t from_top[kSliceMaxDigits];
      choose_digits<kDigits>(task.conditions, asked, from_top);
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) digit[p] = from_top[kDigits - 1 - p];
      break;
    }
    case SliceForm::kOblivious:
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) {
        digit[p] = word(task.conditions + asked[kDigits - 1 - p]);
      }
      break;
  }
  store_leaves(digit, leaves);
}

// Leaves of tree `t` of a group.
void read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                 const SliceTask& task, uint8_t* leaves) {
  switch (group.tree_digits[t]) {
    case 1:
      return read_tree<1>(model, group, t, task, leaves);
    case 2:
      return read_tree<2>(model, group, t, task, leaves);
    case 3:
      return read_tree<3>(model, group, t, task, leaves);
    case 4:
      return read_tree<4>(model, group, t, task, leaves);
    case 5:
      return read_tree<5>(model, group, t, task, leaves);
    case 6:
      return read_tree<6>(model, group, t, task, leaves);
    case 7:
      return read_tree<7>(model, group, t, task, leaves);
    case 8:
      return read_tree<8>(model, group, t, task, leaves);
    default:
      return read_tree<0>(model, group, t, task, leaves);  // trees of one leaf: it is number zero
  }
}

// ---- the kernel ------------------------------------------------------------------------------

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(model, group, t, task, task.leaves);
      Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceWordRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes, out += kSliceWordRows) {
        add_all_leaves(table, group.tree_digits[t], task.leaves, task.n_rows, out);
      }
    }
  }
}

}  // namespace

void tree_slice_word_f32(const SliceModel& model, const SliceTask& task) noexcept {
  sum<float>(model, task);
}

void tree_slice_word_f64(const SliceModel& model, const SliceTask& task) noexcept {
  sum<double>(model, task);
}

void tree_slice_word_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  fill_constants(task);
  evaluate_conditions(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(model, group, t, task,
                  task.leaves + uint64_t{group.first_tree + t} * kSliceWordRows);
    }
  }
}

}  // namespace cordwood::kernels::neon
