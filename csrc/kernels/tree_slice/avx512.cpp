// tree_slice on AVX-512 without VBMI and GFNI: 512 rows are one register.
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
#include <immintrin.h>

#include "kernels/tree_slice/avx512.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint32_t kRegisters = kSliceRows / 64;  // of bytes, for one block

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

void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const BinBits bits(load(bins + 64 * m));
    for (uint32_t i = 0; i < column.n_tables; ++i) {
      out[i * kSliceWords + m] = bits.in(column.tables + 32 * i);
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
  const uint64_t* conditions = task.conditions;
  uint64_t* slots = task.slots;
#pragma GCC unroll 4
  for (; op != end; ++op) {
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
      read_digits<kDigits>(task.slots + slice_slot(kDigits, t, 0) * kSliceWords, from_top);
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
  switch (group.digits) {
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

// ---- leaf values -----------------------------------------------------------------------------

// Four neighbouring bytes of each of 32 leaf values. Of what unpacking makes, register e holds in lane
// l the entries from 16 l + 4 e; the lower two lanes of the four registers are the table:
//
//     entry  4 3 2 1 0          dword of the table  3 | 2 4 1 0
struct Dwords {
  __m512i lower, upper;

  explicit Dwords(const uint8_t* planes) {
    const __m512i plane0 = half(planes), plane1 = half(planes + 64);
    const __m512i plane2 = half(planes + 128), plane3 = half(planes + 192);
    const Pair low = unpack8(plane0, plane1);
    const Pair high = unpack8(plane2, plane3);
    const Pair first = unpack16(low.lo, high.lo);
    const Pair second = unpack16(low.hi, high.hi);
    lower = join(first.lo, first.hi);
    upper = join(second.lo, second.hi);
  }

  // 16 rows; only the last five bits of a place count.
  [[gnu::always_inline]] __m512i at(__m512i place_u32x16) const {
    return _mm512_permutex2var_epi32(lower, place_u32x16, upper);
  }

 private:
  static __m512i half(const uint8_t* plane) {
    return _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(plane)));
  }
  static __m512i join(__m512i a, __m512i b) {
    return _mm512_inserti64x4(a, _mm512_castsi512_si256(b), 1);
  }
};

void add_32(const uint8_t* table, const uint8_t* leaves, float* sums) {
  const Dwords value(table);
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = load(leaves + 64 * m);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      add(sums + 64 * m + 16 * e, value.at(_mm512_srli_epi32(place, 8 * e)));
    }
  }
}

void add_32(const uint8_t* table, const uint8_t* leaves, double* sums) {
  const Dwords low(table), high(table + 256);
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = load(leaves + 64 * m);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      const __m512i place_u32x16 = _mm512_srli_epi32(place, 8 * e);
      const Pair value = unpack32(low.at(place_u32x16), high.at(place_u32x16));
      add(sums + 64 * m + 16 * e, value.lo);
      add(sums + 64 * m + 16 * e + 8, value.hi);
    }
  }
}

// Words come out of their table with dword i of row j = 16 l + 4 i + e where byte 8 (e / 2) + 2 i + e % 2
// of lane l stands.
template <uint32_t kEntries, class Float>
void add_words(const uint8_t* table, const uint8_t* leaves, Float* sums) {
  const Values<kEntries, Float> values(table);
  const __m512i order =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i place = _mm512_shuffle_epi8(load(leaves + 64 * m), order);
    Float* at = sums + 64 * m;
    values.add_to(place, at, at + 32);
    values.add_to(_mm512_srli_epi16(place, 8), at + 16, at + 48);
  }
}

template <class Float>
void add_leaves(const uint8_t* table, uint32_t digits, const uint8_t* leaves, Float* sums) {
  if (digits <= 5) return add_32(table, leaves, sums);
  if (digits == 6) return add_words<64>(table, leaves, sums);
  add_words<256>(table, leaves, sums);
}

// Where the sum of row 128 l + 32 i + 8 e + m stands.
constexpr uint32_t place_of(uint32_t row, const float*) {
  const uint32_t l = row / 128, i = row / 32 % 4, e = row / 8 % 4, m = row % 8;
  return 64 * m + 16 * e + 4 * l + i;
}
constexpr uint32_t place_of(uint32_t row, const double*) {
  const uint32_t l = row / 128, i = row / 32 % 4, e = row / 8 % 4, m = row % 8;
  return 64 * m + 16 * e + 8 * (i / 2) + 2 * l + i % 2;
}

template <class Float>
void restore_order(Float* sums, Float* spare) {
  for (uint32_t i = 0; i < kSliceRows; ++i) spare[i] = sums[i];
  for (uint32_t row = 0; row < kSliceRows; ++row) sums[row] = spare[place_of(row, sums)];
}

template <class Float>
void leave_order(Float* sums, Float* spare) {
  for (uint32_t i = 0; i < kSliceRows; ++i) spare[i] = sums[i];
  for (uint32_t row = 0; row < kSliceRows; ++row) sums[place_of(row, sums)] = spare[row];
}

// Leaf numbers in row order: byte j of register m to byte 8 j + m.
void restore_leaves(uint8_t* leaves) {
  Pair twos[4], fours[4];
  for (uint32_t i = 0; i < 4; ++i) {
    twos[i] = unpack8(load(leaves + 128 * i), load(leaves + 128 * i + 64));
  }
  for (uint32_t i = 0; i < 2; ++i) {
    fours[2 * i] = unpack16(twos[2 * i].lo, twos[2 * i + 1].lo);
    fours[2 * i + 1] = unpack16(twos[2 * i].hi, twos[2 * i + 1].hi);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    const Pair low = unpack32(fours[i].lo, fours[i + 2].lo);
    const Pair high = unpack32(fours[i].hi, fours[i + 2].hi);
    const __m512i parts[4] = {low.lo, low.hi, high.lo, high.hi};
    for (uint32_t p = 0; p < 4; ++p) {
      auto* to = reinterpret_cast<__m128i*>(leaves + 64 * i + 16 * p);
      _mm_store_si128(to, _mm512_extracti32x4_epi32(parts[p], 0));
      _mm_store_si128(to + 8, _mm512_extracti32x4_epi32(parts[p], 1));
      _mm_store_si128(to + 16, _mm512_extracti32x4_epi32(parts[p], 2));
      _mm_store_si128(to + 24, _mm512_extracti32x4_epi32(parts[p], 3));
    }
  }
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions(model, task);
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
        add_leaves(table, group.digits, task.leaves, out);
      }
    }
  }
  for (uint32_t k = 0; k < task.n_outputs; ++k) {
    restore_order(sums + uint64_t{k} * kSliceRows, spare);
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
      uint8_t* leaves = task.leaves + uint64_t{group.first_tree + t} * kSliceRows;
      read_leaves<false>(model, group, t, task, leaves);
      restore_leaves(leaves);
    }
  }
}

}  // namespace cordwood::kernels::avx512
