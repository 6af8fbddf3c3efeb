// tree_slice for up to 64 rows on AVX-512: a bit vector is one word.
//
// Conditions take one compare and one mask store; nodes are three loads, two operations and a store in
// general registers, 1.5 cycles each; full trees choose in vector registers of which one word counts.
// The digits of a tree side by side make one register: a vpermb and a bit transpose turn it into 64
// leaf numbers. Leaf values are looked up as for blocks, in an order that unpacking undoes; up to 32
// rows fill a register twice, with the lower and the upper bytes of their values.
//
// For 500 trees of 31 leaves and 32 rows: 6 700 conditions, 15 000 nodes, 15 500 exclusive ors and 500 x
// 30 instructions for leaves. Nodes bind: seven loads each, four a cycle.
#include <immintrin.h>

#include <cstring>

#include "kernels/tree_slice/avx512icl.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

// Bit vectors of up to 32 rows are uint32_t, of up to 64 rows uint64_t: conditions of half the size stay
// in the L1 for most models.

// ---- conditions ------------------------------------------------------------------------------

void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  const __m512i bin_u8x64 = load(bins);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < column.n_ranks; ++i) {
    const __m512i rank = _mm512_set1_epi8(static_cast<char>(column.ranks[i]));
    out[i] = _mm512_cmpgt_epu8_mask(bin_u8x64, rank);
  }
}

// The rows fill a register twice, so that one compare answers two ranks. Where their number is odd, the
// last answer has a neighbour that the next conditions overwrite.
void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint32_t* out) {
  const __m512i bin_u8x64 =
      _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(bins)));
  const __m512i halves = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi8(1), 1);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < column.n_ranks; i += 2) {
    uint16_t pair;
    std::memcpy(&pair, column.ranks + i, sizeof pair);
    const __m512i rank = _mm512_shuffle_epi8(_mm512_set1_epi16(static_cast<int16_t>(pair)), halves);
    const uint64_t two = _mm512_cmpgt_epu8_mask(bin_u8x64, rank);
    std::memcpy(out + i, &two, sizeof two);
  }
}

template <class Word>
void look_up_tables(const SliceColumn& column, const uint8_t* bins, Word* out) {
  const BinBits bits(load(bins));
  for (uint32_t i = 0; i < column.n_tables; ++i) {
    out[i] = static_cast<Word>(bits.in(column.tables + 32 * i));
  }
}

template <class Word>
void evaluate_conditions(const SliceModel& model, const SliceTask& task, Word* conditions) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const uint8_t* bins = task.bins + c * kSliceWordRows;
    Word* out = conditions + column.first_condition;
    compare_ranks(column, bins, out);
    look_up_tables(column, bins, out + column.n_ranks);
  }
}

// ---- nodes -----------------------------------------------------------------------------------

// One load brings all three slots: with the condition's number and the operands that makes five, where
// four fit a cycle.
template <class Word>
void run_group(const SliceModel& model, const SliceGroup& group, const Word* conditions,
               Word* slots) {
  const SliceOperation* op = model.operations + group.first;
  const SliceOperation* end = op + group.n_operations;
#pragma GCC unroll 4
  for (; op != end; ++op) {
    uint64_t slot;
    std::memcpy(&slot, &op->self, sizeof slot);  // self, above, below and a zero
    const uint64_t self = slot & 0xFFFF;
    const uint64_t above = (slot >> 16) & 0xFFFF;
    const uint64_t below = slot >> 32;
    slots[self] = (conditions[op->condition] | slots[above]) & slots[below];
  }
}

// ---- leaf numbers ----------------------------------------------------------------------------

// A word at the low end of a register; what stands above it does not count.
template <class Word>
[[gnu::always_inline]] inline __m128i word(const Word* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// Digits of the exit leaf, as tree_slice on blocks reads them; in general registers, because a wider load
// of words that have just been stored would wait until they are written.
template <uint32_t kDigits, class Word>
[[gnu::always_inline]] inline void read_digits(const Word* slots, __m128i* digit) {
  Word above = 0;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above ^= slots[node];
    }
    digit[p] = _mm_cvtsi64_si128(static_cast<long long>(above));
  }
}

template <uint32_t kAbove, class Word>
[[gnu::always_inline]] inline __m128i choose(const Word* conditions, const uint32_t* asked,
                                             const __m128i* above) {
  if constexpr (kAbove == 0) {
    return word(conditions + *asked);
  } else {
    const __m128i left = choose<kAbove - 1>(conditions, asked, above + 1);
    const __m128i right = choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return _mm_ternarylogic_epi64(*above, right, left, 0xCA);
  }
}

template <uint32_t kDigits, uint32_t kLevel = 0, class Word>
[[gnu::always_inline]] inline void choose_digits(const Word* conditions, const uint32_t* asked,
                                                 __m128i* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

[[gnu::always_inline]] inline __m512i join_digits(const __m128i* d) {
  const __m256i low =
      _mm256_set_m128i(_mm_unpacklo_epi64(d[2], d[3]), _mm_unpacklo_epi64(d[0], d[1]));
  const __m256i high =
      _mm256_set_m128i(_mm_unpacklo_epi64(d[6], d[7]), _mm_unpacklo_epi64(d[4], d[5]));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

template <uint32_t kDigits, class Word>
__m512i read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t,
                  const Word* conditions, const Word* slots) {
  __m128i digit[8];
  for (__m128i& d : digit) d = _mm_setzero_si128();
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(slots + slice_slot(group.digits, t, 0), digit);
      break;
    case SliceForm::kFull: {
      __m128i from_top[8];
      choose_digits<kDigits>(conditions, asked, from_top);
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) digit[p] = from_top[kDigits - 1 - p];
      break;
    }
    case SliceForm::kOblivious:
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) {
        digit[p] = word(conditions + asked[kDigits - 1 - p]);
      }
      break;
  }
  return transpose_digits(join_digits(digit));
}

// Leaves of tree `t` of a group.
template <class Word>
__m512i read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                    const Word* conditions, const Word* slots) {
  switch (group.tree_digits[t]) {
    case 1:
      return read_tree<1>(model, group, t, conditions, slots);
    case 2:
      return read_tree<2>(model, group, t, conditions, slots);
    case 3:
      return read_tree<3>(model, group, t, conditions, slots);
    case 4:
      return read_tree<4>(model, group, t, conditions, slots);
    case 5:
      return read_tree<5>(model, group, t, conditions, slots);
    case 6:
      return read_tree<6>(model, group, t, conditions, slots);
    case 7:
      return read_tree<7>(model, group, t, conditions, slots);
    case 8:
      return read_tree<8>(model, group, t, conditions, slots);
    default:
      return _mm512_setzero_si512();  // trees of one leaf: it is number zero
  }
}

// ---- leaf values -----------------------------------------------------------------------------

// Eight neighbouring row numbers, one a byte.
constexpr long long eight(long long first, long long step = 1) {
  long long bytes = 0;
  for (int i = 7; i >= 0; --i) bytes = bytes << 8 | (first + i * step);
  return bytes;
}
// Pieces of neighbouring rows that together make eight bytes.
constexpr long long pairs(long long first) {
  return 0x0100 + 0x0101 * first + ((0x0100 + 0x0101 * (first + 8)) << 16) +
         ((0x0100 + 0x0101 * (first + 16)) << 32) + ((0x0100 + 0x0101 * (first + 24)) << 48);
}
constexpr long long fours(long long first, long long next) {
  return (eight(first) & 0xFFFFFFFF) | (eight(next) & 0xFFFFFFFF) << 32;
}

void add(float* sums, __m512i value) {
  _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_castsi512_ps(value)));
}
void add(double* sums, __m512i value) {
  _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), _mm512_castsi512_pd(value)));
}

// 64 rows. Unpacking leaves unit v (16 bytes) of lane l of the looked up bytes in register v: the bytes
// are looked up in the order that brings neighbouring rows together there.
template <uint32_t kEntries>
void add_leaves(const uint8_t* table, __m512i leaf, float* sums) {
  const __m512i order = _mm512_set_epi64(fours(44, 60), fours(12, 28), fours(40, 56), fours(8, 24),
                                         fours(36, 52), fours(4, 20), fours(32, 48), fours(0, 16));
  const Quad value = look_up_four<kEntries>(table, _mm512_permutexvar_epi8(order, leaf));
#pragma GCC unroll 4
  for (uint32_t e = 0; e < 4; ++e) add(sums + 16 * e, value.part[e]);
}

template <uint32_t kEntries>
void add_leaves(const uint8_t* table, __m512i leaf, double* sums) {
  const __m512i order = _mm512_set_epi64(pairs(38), pairs(6), pairs(36), pairs(4), pairs(34),
                                         pairs(2), pairs(32), pairs(0));
  const __m512i ordered = _mm512_permutexvar_epi8(order, leaf);
  const Quad low = look_up_four<kEntries>(table, ordered);
  const Quad high = look_up_four<kEntries>(table + 4 * kEntries, ordered);
#pragma GCC unroll 4
  for (uint32_t e = 0; e < 4; ++e) {
    const Pair value = unpack32(low.part[e], high.part[e]);
    add(sums + 16 * e, value.lo);
    add(sums + 16 * e + 8, value.hi);
  }
}

// Bytes of the lower half from one plane and of the upper half from another one.
[[gnu::always_inline]] inline __m512i look_up_twice(const uint8_t* lower, const uint8_t* upper,
                                                    __m512i leaf) {
  return _mm512_permutex2var_epi8(load(lower), leaf, load(upper));
}

// The same 32 rows in both halves, in `order`; the upper half looks up the second plane.
[[gnu::always_inline]] inline __m512i in_both_halves(__m256i order, __m512i leaf) {
  const __m512i twice = _mm512_broadcast_i64x4(order);
  const __m512i second = _mm512_set_epi64(0x4040404040404040, 0x4040404040404040,
                                          0x4040404040404040, 0x4040404040404040, 0, 0, 0, 0);
  return _mm512_or_si512(_mm512_permutexvar_epi8(twice, leaf), second);
}

// 32 rows.
void add_half(const uint8_t* table, __m512i leaf, float* sums) {
  const __m256i order = _mm256_set_epi64x(eight(24), eight(8), eight(16), eight(0));
  const __m512i ordered = in_both_halves(order, leaf);
  const Pair value = unpack8(look_up_twice(table, table + 128, ordered),
                             look_up_twice(table + 64, table + 192, ordered));
  const __m512i side_by_side =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  add(sums, _mm512_permutexvar_epi16(side_by_side, value.lo));
  add(sums + 16, _mm512_permutexvar_epi16(side_by_side, value.hi));
}

void add_half(const uint8_t* table, __m512i leaf, double* sums) {
  const __m256i order = _mm256_set_epi64x(fours(20, 28), fours(4, 12), fours(16, 24), fours(0, 8));
  const __m512i ordered = in_both_halves(order, leaf);
  const Pair first = unpack8(look_up_twice(table, table + 256, ordered),
                             look_up_twice(table + 64, table + 320, ordered));
  const Pair second = unpack8(look_up_twice(table + 128, table + 384, ordered),
                              look_up_twice(table + 192, table + 448, ordered));
  const Pair low = unpack16(first.lo, second.lo);
  const Pair high = unpack16(first.hi, second.hi);
  const __m512i side_by_side =
      _mm512_set_epi32(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
  add(sums, _mm512_permutexvar_epi32(side_by_side, low.lo));
  add(sums + 8, _mm512_permutexvar_epi32(side_by_side, low.hi));
  add(sums + 16, _mm512_permutexvar_epi32(side_by_side, high.lo));
  add(sums + 24, _mm512_permutexvar_epi32(side_by_side, high.hi));
}

template <class Word, class Float>
void add_tree(uint32_t digits, const uint8_t* table, __m512i leaf, Float* sums) {
  if (digits > 6) {
    add_leaves<256>(table, leaf, sums);
  } else if constexpr (sizeof(Word) == 4) {
    add_half(table, leaf, sums);
  } else {
    add_leaves<64>(table, leaf, sums);
  }
}

// Calls `take` with each tree and its leaf numbers, in tree order.
template <class Word, class Take>
[[gnu::always_inline]] inline void visit_trees(const SliceModel& model, const SliceTask& task,
                                               Take&& take) {
  // Either fills its scratch from the start.
  auto* conditions = reinterpret_cast<Word*>(task.conditions);
  auto* slots = reinterpret_cast<Word*>(task.slots);
  slots[kSliceZeros] = 0;
  slots[kSliceOnes] = static_cast<Word>(~Word{0});
  evaluate_conditions(model, task, conditions);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, conditions, slots);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      take(group, t, read_leaves(model, group, t, conditions, slots));
    }
  }
}

template <class Word, class Float>
void sum_words(const SliceModel& model, const SliceTask& task) {
  auto* sums = static_cast<Float*>(task.sums);
  const uint8_t* table = model.planes;  // of all trees, one after the other
  visit_trees<Word>(model, task, [&](const SliceGroup& group, uint32_t t, __m512i leaf) {
    Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceWordRows;
    for (uint32_t w = 0; w < model.leaf_width; ++w, out += kSliceWordRows) {
      add_tree<Word>(group.digits, table, leaf, out);
      table += slice_entries(group.digits) * sizeof(Float);
    }
  });
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  if (task.n_rows <= kSliceWordRows / 2) {
    sum_words<uint32_t, Float>(model, task);
  } else {
    sum_words<uint64_t, Float>(model, task);
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
  visit_trees<uint64_t>(model, task, [&](const SliceGroup& group, uint32_t t, __m512i leaf) {
    store(task.leaves + uint64_t{group.first_tree + t} * kSliceWordRows, leaf);
  });
}

}  // namespace cordwood::kernels::avx512icl
