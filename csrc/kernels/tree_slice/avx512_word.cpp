// tree_slice for up to 64 rows on AVX-512 without VBMI and GFNI: a bit vector is one word.
//
// Conditions take one compare and one mask store. Nodes are three loads, two operations and a store in
// general registers, and so are the exclusive ors of a tree's digits: those registers have twice the
// load ports of vectors. Full trees choose in vector registers of which one word counts. Unpacking
// gathers the eight digits of each eight rows in a quadword, and an 8x8 bit transpose in each makes 64
// numbers. These are brought into the order that unpacking undoes; vpermi2w looks up the words of 32
// rows at once.
//
// For 500 trees of 31 leaves and 32 rows: 6 700 conditions, 15 000 nodes, 15 500 exclusive ors and 500 x
// 65 instructions for leaves. Nodes bind: seven loads each, four a cycle.
#include <immintrin.h>

#include "kernels/tree_slice/avx512.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint32_t kHalfRows = kSliceWordRows / 2;

// ---- conditions ------------------------------------------------------------------------------

void evaluate_conditions(const SliceModel& model, const SliceTask& task) {
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    const SliceColumn& column = model.columns[c];
    const __m512i bin_u8x64 = load(task.bins + c * kSliceWordRows);
    uint64_t* out = task.conditions + column.first_condition;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < column.n_ranks; ++i) {
      const __m512i rank = _mm512_set1_epi8(static_cast<char>(column.ranks[i]));
      out[i] = _mm512_cmpgt_epu8_mask(bin_u8x64, rank);
    }
    if (column.n_tables == 0) continue;
    const BinBits bits(bin_u8x64);
    for (uint32_t i = 0; i < column.n_tables; ++i) {
      out[column.n_ranks + i] = bits.in(column.tables + 32 * i);
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

// A word in the lower half of a register; what stands in the upper half does not count.
[[gnu::always_inline]] inline __m128i in_vector(const uint64_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
[[gnu::always_inline]] inline __m128i in_vector(uint64_t word) {
  return _mm_cvtsi64_si128(static_cast<long long>(word));
}

// Digits of the exit leaf, the first one in front, as tree_slice on blocks reads them.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, __m128i* from_top) {
  uint64_t above = 0;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above ^= slots[node];
    }
    from_top[i] = in_vector(above);
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
    return _mm_ternarylogic_epi64(*above, right, left, 0xCA);
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
template <uint32_t kShift>
[[gnu::always_inline]] inline __m512i exchange(__m512i x, uint64_t mask) {
  const __m512i moved = _mm512_ternarylogic_epi64(
      x, _mm512_srli_epi64(x, kShift), _mm512_set1_epi64(static_cast<long long>(mask)), 0x28);
  return _mm512_ternarylogic_epi64(x, moved, _mm512_slli_epi64(moved, kShift), 0x96);
}

// Digits of 64 rows, by the bit of the number that each becomes, to 64 numbers. In each quadword byte
// p, bit j becomes byte j, bit p.
[[gnu::always_inline]] inline __m512i transpose_digits(const __m128i* d) {
  const __m128i d10 = _mm_unpacklo_epi8(d[0], d[1]);
  const __m128i d32 = _mm_unpacklo_epi8(d[2], d[3]);
  const __m128i d54 = _mm_unpacklo_epi8(d[4], d[5]);
  const __m128i d76 = _mm_unpacklo_epi8(d[6], d[7]);
  const __m256i low = _mm256_set_m128i(_mm_unpackhi_epi16(d10, d32), _mm_unpacklo_epi16(d10, d32));
  const __m256i high = _mm256_set_m128i(_mm_unpackhi_epi16(d54, d76), _mm_unpacklo_epi16(d54, d76));
  const __m512i place = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  __m512i x =
      _mm512_permutex2var_epi32(_mm512_castsi256_si512(low), place, _mm512_castsi256_si512(high));
  x = exchange<7>(x, 0x00AA00AA00AA00AA);
  x = exchange<14>(x, 0x0000CCCC0000CCCC);
  return exchange<28>(x, 0x00000000F0F0F0F0);
}

template <Order kOrder, uint32_t kDigits>
__m512i read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t,
                  const SliceTask& task) {
  __m128i from_top[kSliceMaxDigits];
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(task.slots + slice_slot(group.digits, t, 0), from_top);
      break;
    case SliceForm::kFull:
      choose_digits<kDigits>(task.conditions, asked, from_top);
      break;
    case SliceForm::kOblivious:
#pragma GCC unroll 8
      for (uint32_t level = 0; level < kDigits; ++level) {
        from_top[level] = in_vector(task.conditions + asked[level]);
      }
      break;
  }
  __m128i digit[kSliceMaxDigits];
#pragma GCC unroll 8
  for (uint32_t p = 0; p < kSliceMaxDigits; ++p) digit[p] = _mm_setzero_si128();
#pragma GCC unroll 8
  for (uint32_t p = 0; p < kDigits; ++p) {
    digit[bit_of_digit(kOrder, p)] = from_top[kDigits - 1 - p];
  }
  return transpose_digits(digit);
}

// Numbers of tree `t` of a group.
template <Order kOrder>
__m512i read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                    const SliceTask& task) {
  switch (group.tree_digits[t]) {
    case 1:
      return read_tree<kOrder, 1>(model, group, t, task);
    case 2:
      return read_tree<kOrder, 2>(model, group, t, task);
    case 3:
      return read_tree<kOrder, 3>(model, group, t, task);
    case 4:
      return read_tree<kOrder, 4>(model, group, t, task);
    case 5:
      return read_tree<kOrder, 5>(model, group, t, task);
    case 6:
      return read_tree<kOrder, 6>(model, group, t, task);
    case 7:
      return read_tree<kOrder, 7>(model, group, t, task);
    case 8:
      return read_tree<kOrder, 8>(model, group, t, task);
    default:
      return _mm512_setzero_si512();  // trees of one leaf: it is number zero
  }
}

// ---- leaf values -----------------------------------------------------------------------------

// Of each 32 rows, those that unpacking brings to the place of the first two, the next two, and so on.
[[gnu::always_inline]] inline __m512i ordered(__m512i place, const float*) {
  const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return _mm512_permutexvar_epi32(order, place);
}
[[gnu::always_inline]] inline __m512i ordered(__m512i place, const double*) {
  const __m512i order = _mm512_set_epi16(31, 27, 23, 19, 30, 26, 22, 18, 29, 25, 21, 17, 28, 24, 20,
                                         16, 15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  return _mm512_permutexvar_epi16(order, place);
}

template <uint32_t kEntries, uint32_t kRows, class Float>
[[gnu::always_inline]] inline void add_leaves(const uint8_t* table, __m512i place, Float* sums) {
  const Values<kEntries, Float> values(table);
  values.add_to(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(place)), sums, sums + 16);
  if constexpr (kRows > kHalfRows) {
    values.add_to(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(place, 1)), sums + kHalfRows,
                  sums + kHalfRows + 16);
  }
}

template <uint32_t kRows, class Float>
void sum_rows(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      const __m512i place = ordered(read_leaves<Order::kWords>(model, group, t, task), sums);
      Float* out = sums + uint64_t{model.tree_output[group.first_tree + t]} * kSliceWordRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes, out += kSliceWordRows) {
        if (group.digits <= 6) {
          add_leaves<64, kRows>(table, place, out);
        } else {
          add_leaves<256, kRows>(table, place, out);
        }
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
  evaluate_conditions(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      store(task.leaves + uint64_t{group.first_tree + t} * kSliceWordRows,
            read_leaves<Order::kLeaf>(model, group, t, task));
    }
  }
}

}  // namespace cordwood::kernels::avx512
