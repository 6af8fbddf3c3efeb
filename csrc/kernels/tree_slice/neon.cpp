// tree_slice on NEON: 512 rows are four quarters of 128, one register each.
//
// Bit m of byte j of quarter q is row 128 q + 16 m + j. In this order a condition is eight compares and
// seven selects, and taking the exit leaf's number out again is an 8x8 bit transpose between registers,
// with no shuffle. Leaf numbers and values come out in row order.
//
// A node needs one operation: a select. Where the row goes right at node i, the exit leaf is beyond i
// just where it is beyond `lo`; where it goes left, just where it is beyond `hi`. The two forms agree,
// because what is beyond `hi` is beyond `lo`.
//
// Instructions for 512 rows and a tree of 31 leaves: 30 nodes of 32 (12 loads, 4 selects, 4 stores, the
// addresses); 4 x 31 loads and exclusive ors; 4 x 45 for the transpose. Leaf values bind: 16 x 132 for
// float64, half for float32; for 32 rows these are 16 look-ups, 48 zips and 16 times load, add, store. A
// condition takes 4 x 20, for all trees together.
#include "kernels/tree_slice/neon.hpp"

#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::neon {
namespace {

constexpr uint32_t kQuarterRows = 128;
constexpr uint32_t kQuarterWords = kQuarterRows / 64;
constexpr uint32_t kQuarters = kSliceRows / kQuarterRows;
constexpr uint32_t kParts = kQuarterRows / kByteRows;

// ---- conditions ------------------------------------------------------------------------------

[[gnu::always_inline]] inline uint8x16_t gather_eight(const uint8x16_t* answer) {
  return vbslq_u8(vdupq_n_u8(0x0F), gather_four(answer), gather_four(answer + 4));
}

void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t quarter = 0; quarter < kQuarters; ++quarter) {
    uint8x16_t bin_u8x16[kParts];
    for (uint32_t m = 0; m < kParts; ++m) {
      bin_u8x16[m] = load(bins + quarter * kQuarterRows + m * kByteRows);
    }
    for (uint32_t i = 0; i < column.n_ranks; ++i) {
      const uint8x16_t rank = vdupq_n_u8(column.ranks[i]);
      uint8x16_t answer[kParts];
#pragma GCC unroll 8
      for (uint32_t m = 0; m < kParts; ++m) answer[m] = vcgtq_u8(bin_u8x16[m], rank);
      store(out + i * kSliceWords + quarter * kQuarterWords, gather_eight(answer));
    }
  }
}

void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t i = 0; i < column.n_tables; ++i) {
    for (uint32_t quarter = 0; quarter < kQuarters; ++quarter) {
      uint8x16_t answer[kParts];
      for (uint32_t m = 0; m < kParts; ++m) {
        const uint8x16_t bin = load(bins + quarter * kQuarterRows + m * kByteRows);
        answer[m] = look_up_bits(column.tables + 32 * i, bin);
      }
      store(out + i * kSliceWords + quarter * kQuarterWords, gather_eight(answer));
    }
  }
}

void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const uint8_t* bins = task.bins + c * kSliceRows;
    uint64_t* out = task.conditions + uint64_t{column.first_condition} * kSliceWords;
    if (column.n_ranks != 0) compare_ranks(column, bins, out);
    if (column.n_tables != 0) {
      look_up_tables(column, bins, out + uint64_t{column.n_ranks} * kSliceWords);
    }
  }
}

// ---- nodes -----------------------------------------------------------------------------------

void run_group(const SliceModel& model, const SliceGroup& group, const SliceTask& task) {
  const SliceOperation* op = model.operations + group.first;
  const SliceOperation* end = op + group.n_operations;
  for (; op != end; ++op) {
    const uint64_t* condition = task.conditions + uint64_t{op->condition} * kSliceWords;
    const uint64_t* above = task.slots + op->above * kSliceWords;
    const uint64_t* below = task.slots + op->below * kSliceWords;
    uint64_t* self = task.slots + op->self * kSliceWords;
    uint8x16_t r[kQuarters];
#pragma GCC unroll 4
    for (uint32_t q = 0; q < kQuarters; ++q) {
      const uint32_t word = q * kQuarterWords;
      r[q] = vbslq_u8(load(condition + word), load(below + word), load(above + word));
    }
#pragma GCC unroll 4
    for (uint32_t q = 0; q < kQuarters; ++q) store(self + q * kQuarterWords, r[q]);
  }
}

void fill_constants(const SliceTask& task) {
  for (uint32_t word = 0; word < kSliceWords; word += kQuarterWords) {
    store(task.slots + kSliceZeros * kSliceWords + word, vdupq_n_u8(0));
    store(task.slots + kSliceOnes * kSliceWords + word, vdupq_n_u8(0xFF));
  }
}

// ---- leaf numbers ----------------------------------------------------------------------------

// Digits of the exit leaf. The multiples of 2^p are the odd ones and the multiples of 2^(p+1), so
// that each digit is the next one and the exclusive or over the odd multiples.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, uint8x16_t* digit) {
  uint8x16_t above = vdupq_n_u8(0);
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above = veorq_u8(above, load(slots + node * kSliceWords));
    }
    digit[p] = above;
  }
}

// In: bit m of register p is digit p of part m. Out: bit p of register m is that digit.
[[gnu::always_inline]] inline void transpose(uint8x16_t (&x)[kParts]) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange_nibbles(x[i], x[i + 4]);
  transpose_in_nibbles(x);
  transpose_in_nibbles(x + 4);
}

// What the conditions of one level of a full tree answer: the halves of 2^kAbove conditions are
// chosen between by the digit of `above`, quarters by the next one, and so on.
template <uint32_t kAbove>
[[gnu::always_inline]] inline uint8x16_t choose(const uint64_t* conditions, const uint32_t* asked,
                                                const uint8x16_t* above) {
  if constexpr (kAbove == 0) {
    return load(conditions + uint64_t{*asked} * kSliceWords);
  } else {
    const uint8x16_t left = choose<kAbove - 1>(conditions, asked, above + 1);
    const uint8x16_t right =
        choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return vbslq_u8(*above, right, left);
  }
}

// From the first digit to the last.
template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 uint8x16_t* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

template <uint32_t kDigits>
void read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t, const SliceTask& task,
               uint8_t* leaves) {
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  const uint64_t* slots = task.slots + slice_slot(group.digits, t, 0) * kSliceWords;
  for (uint32_t quarter = 0; quarter < kQuarters; ++quarter) {
    const uint64_t* conditions = task.conditions + quarter * kQuarterWords;
    uint8x16_t part[kParts];
#pragma GCC unroll 8
    for (uint32_t m = kDigits; m < kParts; ++m) part[m] = vdupq_n_u8(0);
    switch (group.form) {
      case SliceForm::kAny:
        read_digits<kDigits>(slots + quarter * kQuarterWords, part);
        break;
      case SliceForm::kFull: {
        uint8x16_t from_top[kParts];
        choose_digits<kDigits>(conditions, asked, from_top);
#pragma GCC unroll 8
        for (uint32_t p = 0; p < kDigits; ++p) part[p] = from_top[kDigits - 1 - p];
        break;
      }
      case SliceForm::kOblivious:
#pragma GCC unroll 8
        for (uint32_t p = 0; p < kDigits; ++p) {
          part[p] = load(conditions + uint64_t{asked[kDigits - 1 - p]} * kSliceWords);
        }
        break;
    }
    transpose(part);
#pragma GCC unroll 8
    for (uint32_t m = 0; m < kParts; ++m) {
      store(leaves + quarter * kQuarterRows + m * kByteRows, part[m]);
    }
  }
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
      Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes, out += kSliceRows) {
        add_all_leaves(table, group.tree_digits[t], task.leaves, task.n_rows, out);
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
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(model, group, t, task, task.leaves + uint64_t{group.first_tree + t} * kSliceRows);
    }
  }
}

}  // namespace cordwood::kernels::neon
