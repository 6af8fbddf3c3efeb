// tree_slice on AVX-512: 512 rows are one register.
//
// Bit m of byte j of a bit vector is row 8 j + m. An 8x8 bit transpose between registers, without a
// shuffle, makes leaf numbers of the digits: register m holds those of the rows 8 j + m. With
// j = 16 l + 4 i + e, the values of these rows come out where dword i of lane l of register
// 4 m + e stands, or, of float64, half of them each in two neighbouring registers. The last step puts
// the sums in row order.
//
// Per tree of 31 leaves and 512 rows: 30 nodes (three loads, one vpternlogq, one store each; the two
// 512-bit load ports bind, 1.5 cycles), 31 exclusive ors, 24 shifts and 24 vpternlogq for the leaf
// numbers. Up to 32 leaf values are two registers of 32-bit pieces, which vpermi2d looks up for 16 rows:
// 32 times for float32; 64 times and with 64 shuffles for float64, where the 64 stores of sums bind. Up to
// 64 are two registers of words, which vpermi2w looks up for 32 rows, and unpacking puts the words
// together; four look-ups and three blends do 256. Tables are unpacked of byte planes once a tree.
#pragma once

#include <immintrin.h>

#include "kernels/tree_slice/avx512.hpp"
#include "kernels/tree_slice/avx512_leaves.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512 {
namespace {

// ---- conditions ------------------------------------------------------------------------------

void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  __m512i bin_u8x64[kRegisters];
  for (uint32_t m = 0; m < kRegisters; ++m) bin_u8x64[m] = load(bins + 64 * m);
  for (uint32_t i = 0; i < column.n_ranks; ++i) {
    const __m512i rank = _mm512_set1_epi8(static_cast<char>(column.ranks[i]));
#pragma GCC unroll 8
    for (uint32_t m = 0; m < kRegisters; ++m) {
      out[i * kSliceWords + m] = _mm512_cmpgt_epu8_mask(bin_u8x64[m], rank);
    }
  }
}

template <class Bits>
void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const Bits bits(load(bins + 64 * m));
    for (uint32_t i = 0; i < column.n_tables; ++i) {
      out[i * kSliceWords + m] = bits.in(column.tables + 32 * i);
    }
  }
}

template <class Bits>
void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const uint8_t* bins = task.bins + c * kSliceRows;
    uint64_t* out = task.conditions + uint64_t{column.first_condition} * kSliceWords;
    if (column.n_ranks != 0) compare_ranks(column, bins, out);
    if (column.n_tables != 0) {
      look_up_tables<Bits>(column, bins, out + uint64_t{column.n_ranks} * kSliceWords);
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
    const uint64_t* ahead = conditions + uint64_t{op[kSliceAhead].condition} * kSliceWords;
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
    const __m512i condition = load(conditions + uint64_t{op->condition} * kSliceWords);
    const __m512i above = load(slots + op->above * kSliceWords);
    const __m512i below = load(slots + op->below * kSliceWords);
    // (condition | above) & below: truth table with condition as the highest input.
    store(slots + op->self * kSliceWords, _mm512_ternarylogic_epi64(condition, above, below, 0xA8));
  }
}

void fill_constants(const SliceTask& task) {
  store(task.slots + kSliceZeros * kSliceWords, _mm512_setzero_si512());
  store(task.slots + kSliceOnes * kSliceWords, _mm512_set1_epi64(-1));
}

// ---- leaf numbers ----------------------------------------------------------------------------

// Digits of the exit leaf, the first one in front. The multiples of 2^p are the odd ones and the
// multiples of 2^(p+1), so that each digit is the one before and the exclusive or over the odd multiples.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, __m512i* from_top) {
  __m512i above = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above = _mm512_xor_si512(above, load(slots + node * kSliceWords));
    }
    from_top[i] = above;
  }
}

// What the conditions of one level of a full tree answer: the halves of 2^kAbove conditions are
// chosen between by the digit of `above`, quarters by the next one, and so on.
template <uint32_t kAbove>
[[gnu::always_inline]] inline __m512i choose(const uint64_t* conditions, const uint32_t* asked,
                                             const __m512i* above) {
  if constexpr (kAbove == 0) {
    return load(conditions + uint64_t{*asked} * kSliceWords);
  } else {
    const __m512i left = choose<kAbove - 1>(conditions, asked, above + 1);
    const __m512i right = choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return _mm512_ternarylogic_epi64(*above, right, left, 0xCA);
  }
}

template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 __m512i* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

// Exchanges the bits of `a` under `mask` shifted left with the bits of `b` under `mask`.
template <uint32_t kShift>
[[gnu::always_inline]] inline void exchange(__m512i& a, __m512i& b, int mask_of_byte) {
  const __m512i mask = _mm512_set1_epi8(static_cast<char>(mask_of_byte));
  const __m512i down = _mm512_srli_epi16(a, kShift);
  const __m512i up = _mm512_slli_epi16(b, kShift);
  a = _mm512_ternarylogic_epi64(mask, a, up, 0xCA);
  b = _mm512_ternarylogic_epi64(mask, down, b, 0xCA);
}

// In: bit m of byte j of register p is bit p of a row's number. Out: bit p of register m is.
[[gnu::always_inline]] inline void transpose(__m512i (&x)[kRegisters]) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<4>(x[i], x[i + 4], 0x0F);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<2>(x[i + (i & 2)], x[i + (i & 2) + 2], 0x33);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<1>(x[2 * i], x[2 * i + 1], 0x55);
}

template <Order kOrder, uint32_t kDigits>
void read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t, const SliceTask& task,
               uint8_t* leaves) {
  __m512i from_top[kSliceMaxDigits];
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(task.slots + slice_slot(group.digits, t, 0) * kSliceWords, from_top);
      break;
    case SliceForm::kFull:
      choose_digits<kDigits>(task.conditions, asked, from_top);
      break;
    case SliceForm::kOblivious:
#pragma GCC unroll 8
      for (uint32_t level = 0; level < kDigits; ++level) {
        from_top[level] = load(task.conditions + uint64_t{asked[level]} * kSliceWords);
      }
      break;
  }
  __m512i number[kRegisters];
#pragma GCC unroll 8
  for (uint32_t m = 0; m < kRegisters; ++m) number[m] = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (uint32_t p = 0; p < kDigits; ++p) {
    number[bit_of_digit(kOrder, p)] = from_top[kDigits - 1 - p];
  }
  transpose(number);
#pragma GCC unroll 8
  for (uint32_t m = 0; m < kRegisters; ++m) store(leaves + 64 * m, number[m]);
}

// The order that leaf values are looked up in; the leaves themselves where there is no sum.
template <bool kSum>
constexpr Order order_of(uint32_t digits) {
  if (!kSum) return Order::kLeaf;
  return digits <= 5 ? Order::kDwords : Order::kWords;
}

// Numbers of tree `t` of a group.
template <bool kSum>
void read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                 const SliceTask& task, uint8_t* leaves) {
  switch (group.tree_digits[t]) {
    case 1:
      return read_tree<order_of<kSum>(1), 1>(model, group, t, task, leaves);
    case 2:
      return read_tree<order_of<kSum>(2), 2>(model, group, t, task, leaves);
    case 3:
      return read_tree<order_of<kSum>(3), 3>(model, group, t, task, leaves);
    case 4:
      return read_tree<order_of<kSum>(4), 4>(model, group, t, task, leaves);
    case 5:
      return read_tree<order_of<kSum>(5), 5>(model, group, t, task, leaves);
    case 6:
      return read_tree<order_of<kSum>(6), 6>(model, group, t, task, leaves);
    case 7:
      return read_tree<order_of<kSum>(7), 7>(model, group, t, task, leaves);
    case 8:
      return read_tree<order_of<kSum>(8), 8>(model, group, t, task, leaves);
    default:
      return read_tree<Order::kLeaf, 0>(model, group, t, task, leaves);  // all are number zero
  }
}

// Bits look up category sets.
template <class Bits, class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions<Bits>(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  auto* spare = static_cast<Float*>(task.spare);
  for (uint32_t k = 0; task.starts_differ && k < task.n_outputs; ++k) {
    leave_order(sums + uint64_t{k} * kSliceRows, spare);
  }
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves<true>(model, group, t, task, task.leaves);
      Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes, out += kSliceRows) {
        add_leaves(table, group.tree_digits[t], task.leaves, out);
      }
    }
  }
  for (uint32_t k = 0; k < task.n_outputs; ++k) {
    restore_order(sums + uint64_t{k} * kSliceRows, spare);
  }
}

template <class Bits>
void name_leaves(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions<Bits>(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      uint8_t* leaves = task.leaves + uint64_t{group.first_tree + t} * kSliceRows;
      read_leaves<false>(model, group, t, task, leaves);
      restore_leaves(leaves);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx512
