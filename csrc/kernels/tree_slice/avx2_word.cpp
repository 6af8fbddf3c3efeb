// tree_slice for up to 64 rows on AVX2: a bit vector is one word.
//
// A condition is a compare and the top bits of its bytes, taken twice. Nodes are three loads, two
// operations and a store in general registers, and so are the exclusive ors of a tree's digits: those
// registers have twice the load ports of vectors. Full trees choose in vector registers of which one
// word counts: more of them hold more of what is still open. Unpacking gathers the eight digits of
// each eight rows in a quadword, and an 8x8 bit transpose in each makes 64 leaf numbers. Leaf values
// are looked up as for blocks, in an order that unpacking undoes. Up to 32 rows take half of all but
// nodes and digits.
//
// For 500 trees of 31 leaves and 32 rows: 6 700 conditions of five instructions, 15 000 nodes, 15 500
// exclusive ors and 500 x 110 instructions for leaves. Nodes bind: seven loads each, four a cycle.
#include <immintrin.h>

#include "kernels/tree_slice/avx2.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint32_t kHalfRows = kSliceWordRows / 2;
static_assert(kHalfRows == kByteRows);

// ---- conditions ------------------------------------------------------------------------------

[[gnu::always_inline]] inline uint64_t top_bits(__m256i bytes) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
}

// The compare is of signed bytes: flipping the top bits makes it unsigned.
template <uint32_t kRows>
void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  const __m256i flip = _mm256_set1_epi8(-128);
  const __m256i low = _mm256_xor_si256(load(bins), flip);
  const __m256i high = _mm256_xor_si256(load(bins + kHalfRows), flip);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < column.n_ranks; ++i) {
    const __m256i rank =
        _mm256_xor_si256(_mm256_set1_epi8(static_cast<char>(column.ranks[i])), flip);
    uint64_t bits = top_bits(_mm256_cmpgt_epi8(low, rank));
    if constexpr (kRows > kHalfRows) {
      bits |= top_bits(_mm256_cmpgt_epi8(high, rank)) << kHalfRows;
    }
    out[i] = bits;
  }
}

template <uint32_t kRows>
void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t i = 0; i < column.n_tables; ++i) {
    const uint8_t* table = column.tables + 32 * i;
    uint64_t bits = top_bits(look_up_bits(table, load(bins)));
    if constexpr (kRows > kHalfRows) {
      bits |= top_bits(look_up_bits(table, load(bins + kHalfRows))) << kHalfRows;
    }
    out[i] = bits;
  }
}

template <uint32_t kRows>
void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const uint8_t* bins = task.bins + c * kSliceWordRows;
    uint64_t* out = task.conditions + column.first_condition;
    compare_ranks<kRows>(column, bins, out);
    look_up_tables<kRows>(column, bins, out + column.n_ranks);
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

// ---- leaf numbers ----------------------------------------------------------------------------

// A word in the lower half of a register; what stands in the upper half does not count.
[[gnu::always_inline]] inline __m128i in_vector(const uint64_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
[[gnu::always_inline]] inline __m128i in_vector(uint64_t word) {
  return _mm_cvtsi64_si128(static_cast<long long>(word));
}

// Digits of the exit leaf, as tree_slice on blocks reads them.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, __m128i* digit) {
  uint64_t above = 0;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above ^= slots[node];
    }
    digit[p] = in_vector(above);
  }
}

template <uint32_t kAbove>
[[gnu::always_inline]] inline __m128i choose(const uint64_t* conditions, const uint32_t* asked,
                                             const __m128i* above) {
  if constexpr (kAbove == 0) {
    return in_vector(conditions + *asked);
  } else {
    const __m128i left = choose<kAbove - 1>(conditions, asked, above + 1);
    const __m128i right = choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return _mm_or_si128(_mm_and_si128(*above, right), _mm_andnot_si128(*above, left));
  }
}

template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 __m128i* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

// Exchanges the bits under `mask` of each quadword with those kShift above.
template <int kShift>
[[gnu::always_inline]] inline __m256i exchange(__m256i x, uint64_t mask) {
  const __m256i moved = _mm256_and_si256(_mm256_xor_si256(x, _mm256_srli_epi64(x, kShift)),
                                         _mm256_set1_epi64x(static_cast<long long>(mask)));
  return _mm256_xor_si256(_mm256_xor_si256(x, moved), _mm256_slli_epi64(moved, kShift));
}

// The 8x8 bits of each quadword: byte p, bit j becomes byte j, bit p.
[[gnu::always_inline]] inline __m256i transpose(__m128i lower, __m128i upper) {
  __m256i x = _mm256_set_m128i(upper, lower);
  x = exchange<7>(x, 0x00AA00AA00AA00AA);
  x = exchange<14>(x, 0x0000CCCC0000CCCC);
  return exchange<28>(x, 0x00000000F0F0F0F0);
}

// Digits of kRows rows to as many leaf numbers.
template <uint32_t kRows>
[[gnu::always_inline]] inline void write_leaves(const __m128i* digit, uint8_t* leaves) {
  const __m128i d10 = _mm_unpacklo_epi8(digit[0], digit[1]);
  const __m128i d32 = _mm_unpacklo_epi8(digit[2], digit[3]);
  const __m128i d54 = _mm_unpacklo_epi8(digit[4], digit[5]);
  const __m128i d76 = _mm_unpacklo_epi8(digit[6], digit[7]);
  const __m128i low = _mm_unpacklo_epi16(d10, d32);
  const __m128i high = _mm_unpacklo_epi16(d54, d76);
  store(leaves, transpose(_mm_unpacklo_epi32(low, high), _mm_unpackhi_epi32(low, high)));
  if constexpr (kRows > kHalfRows) {
    const __m128i next_low = _mm_unpackhi_epi16(d10, d32);
    const __m128i next_high = _mm_unpackhi_epi16(d54, d76);
    store(leaves + kHalfRows, transpose(_mm_unpacklo_epi32(next_low, next_high),
                                        _mm_unpackhi_epi32(next_low, next_high)));
  }
}

template <uint32_t kRows, uint32_t kDigits>
void read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t, const SliceTask& task,
               uint8_t* leaves) {
  __m128i digit[kSliceMaxDigits] = {};
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(task.slots + slice_slot(group.digits, t, 0), digit);
      break;
    case SliceForm::kFull: {
      __m128i from_top[kSliceMaxDigits];
      choose_digits<kDigits>(task.conditions, asked, from_top);
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) digit[p] = from_top[kDigits - 1 - p];
      break;
    }
    case SliceForm::kOblivious:
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) {
        digit[p] = in_vector(task.conditions + asked[kDigits - 1 - p]);
      }
      break;
  }
  write_leaves<kRows>(digit, leaves);
}

// Leaves of tree `t` of a group.
template <uint32_t kRows>
void read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                 const SliceTask& task, uint8_t* leaves) {
  switch (group.tree_digits[t]) {
    case 1:
      return read_tree<kRows, 1>(model, group, t, task, leaves);
    case 2:
      return read_tree<kRows, 2>(model, group, t, task, leaves);
    case 3:
      return read_tree<kRows, 3>(model, group, t, task, leaves);
    case 4:
      return read_tree<kRows, 4>(model, group, t, task, leaves);
    case 5:
      return read_tree<kRows, 5>(model, group, t, task, leaves);
    case 6:
      return read_tree<kRows, 6>(model, group, t, task, leaves);
    case 7:
      return read_tree<kRows, 7>(model, group, t, task, leaves);
    case 8:
      return read_tree<kRows, 8>(model, group, t, task, leaves);
    default:
      return read_tree<kRows, 0>(model, group, t, task, leaves);  // one leaf: it is number zero
  }
}

// ---- leaf values -----------------------------------------------------------------------------

// Leaf numbers in the order that brings the sums of `add_part` out in row order: of each eight rows
// the upper lane takes the upper four, or the second two of each four.
[[gnu::always_inline]] inline __m256i ordered(__m256i leaf, const float*) {
  return _mm256_permutevar8x32_epi32(leaf, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}
[[gnu::always_inline]] inline __m256i ordered(__m256i leaf, const double*) {
  const __m256i twos = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(leaf, twos), 0xD8);
}

template <uint32_t kTables, uint32_t kRows, class Float>
void add_leaves(const uint8_t* table, const uint8_t* leaves, Float* sums) {
  for (uint32_t row = 0; row < kRows; row += kByteRows) {
    add_part(table, Index<kTables>(ordered(load(leaves + row), sums)), sums + row);
  }
}

template <uint32_t kRows, class Float>
void add_leaves(const uint8_t* table, uint32_t digits, const uint8_t* leaves, Float* sums) {
  if (digits <= 4) return add_leaves<1, kRows>(table, leaves, sums);
  if (digits == 5) return add_leaves<2, kRows>(table, leaves, sums);
  if (digits == 6) return add_leaves<4, kRows>(table, leaves, sums);
  add_leaves<16, kRows>(table, leaves, sums);
}

void fill_constants(const SliceTask& task) {
  task.slots[kSliceZeros] = 0;
  task.slots[kSliceOnes] = ~uint64_t{0};
}

template <uint32_t kRows, class Float>
void sum_rows(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions<kRows>(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves<kRows>(model, group, t, task, task.leaves);
      Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceWordRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes, out += kSliceWordRows) {
        add_leaves<kRows>(table, group.tree_digits[t], task.leaves, out);
      }
    }
  }
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  if (task.n_rows <= kHalfRows) return sum_rows<kHalfRows, Float>(model, task);
  sum_rows<kSliceWordRows, Float>(model, task);
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
  evaluate_conditions<kSliceWordRows>(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves<kSliceWordRows>(model, group, t, task,
                                  task.leaves + uint64_t{group.first_tree + t} * kSliceWordRows);
    }
  }
}

}  // namespace cordwood::kernels::avx2
