// tree_slice on AVX2: 512 rows are two halves of 256, one register each.
//
// Bit m of byte j of half h is row 256 h + 32 m + j. In this order a condition needs no gathering of
// bits: the eight compares of a half are shifted in one after the other, and taking the exit leaf's
// number out again is an 8x8 bit transpose between registers, with no shuffle. Leaf numbers come out
// in row order.
//
// Per tree of 31 leaves and 512 rows: 30 nodes in two halves (three loads, an or, an and, a store
// each; the two load ports bind, about 100 cycles), 62 exclusive ors, 2 x 72 shifts and logic
// for the leaf numbers. Leaf values bind, 16 x 40 shuffles for float64: they lie as byte planes, one
// pshufb looks up 16 entries for 32 rows, and unpacking puts the bytes of a value together again.
//
// Unpacking permutes the sums inside each 32 rows: unit v (16 bytes) of lane l holds the rows from
// 16 l + v * (16 / bytes of a value). The last step puts the units back in order.
#include <immintrin.h>

#include "kernels/tree_slice/avx2.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint32_t kHalfRows = 256;
constexpr uint32_t kHalfWords = kHalfRows / 64;
constexpr uint32_t kParts = kHalfRows / kByteRows;

// ---- conditions ------------------------------------------------------------------------------

// Shifts one answer (all ones or zeros) into the low end of each byte.
__m256i append(__m256i bits, __m256i answer) {
  return _mm256_sub_epi8(_mm256_add_epi8(bits, bits), answer);
}

// The compare is of signed bytes: flipping the top bits makes it unsigned.
void compare_ranks(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  const __m256i flip = _mm256_set1_epi8(-128);
  for (uint32_t half = 0; half < 2; ++half) {
    __m256i bin_u8x32[kParts];
    for (uint32_t m = 0; m < kParts; ++m) {
      bin_u8x32[m] = _mm256_xor_si256(load(bins + half * kHalfRows + m * kByteRows), flip);
    }
    for (uint32_t i = 0; i < column.n_ranks; ++i) {
      const __m256i rank =
          _mm256_xor_si256(_mm256_set1_epi8(static_cast<char>(column.ranks[i])), flip);
      __m256i bits = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (uint32_t m = kParts; m-- > 0;) {
        bits = append(bits, _mm256_cmpgt_epi8(bin_u8x32[m], rank));
      }
      store(out + i * kSliceWords + half * kHalfWords, bits);
    }
  }
}

void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  for (uint32_t i = 0; i < column.n_tables; ++i) {
    for (uint32_t half = 0; half < 2; ++half) {
      __m256i bits = _mm256_setzero_si256();
      for (uint32_t m = kParts; m-- > 0;) {
        const __m256i bin = load(bins + half * kHalfRows + m * kByteRows);
        bits = append(bits, look_up_bits(column.tables + 32 * i, bin));
      }
      store(out + i * kSliceWords + half * kHalfWords, bits);
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
#pragma GCC unroll 2
    for (uint32_t word = 0; word < kSliceWords; word += kHalfWords) {
      store(self + word,
            _mm256_and_si256(_mm256_or_si256(load(condition + word), load(above + word)),
                             load(below + word)));
    }
  }
}

void fill_constants(const SliceTask& task) {
  for (uint32_t word = 0; word < kSliceWords; word += kHalfWords) {
    store(task.slots + kSliceZeros * kSliceWords + word, _mm256_setzero_si256());
    store(task.slots + kSliceOnes * kSliceWords + word, _mm256_set1_epi64x(-1));
  }
}

// ---- leaf numbers ----------------------------------------------------------------------------

// Digits of the exit leaf. The multiples of 2^p are the odd ones and the multiples of 2^(p+1), so
// that each digit is the next one and the exclusive or over the odd multiples.
template <uint32_t kDigits>
[[gnu::always_inline]] inline void read_digits(const uint64_t* slots, __m256i (&digit)[kParts]) {
  __m256i above = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above = _mm256_xor_si256(above, load(slots + node * kSliceWords));
    }
    digit[p] = above;
  }
}

// Exchanges the bits of `a` under `mask` shifted left with the bits of `b` under `mask`.
template <int kShift>
void exchange(__m256i& a, __m256i& b, __m256i mask) {
  const __m256i moved = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(a, kShift), b), mask);
  b = _mm256_xor_si256(b, moved);
  a = _mm256_xor_si256(a, _mm256_slli_epi16(moved, kShift));
}

// In: bit m of register p is digit p of part m. Out: bit p of register m is that digit.
[[gnu::always_inline]] inline void transpose(__m256i (&x)[kParts]) {
  const __m256i nibble = _mm256_set1_epi8(0x0F);
  const __m256i pair = _mm256_set1_epi8(0x33);
  const __m256i single = _mm256_set1_epi8(0x55);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<4>(x[i], x[i + 4], nibble);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<2>(x[i + (i & 2)], x[i + (i & 2) + 2], pair);
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) exchange<1>(x[2 * i], x[2 * i + 1], single);
}

// What the conditions of one level of a full tree answer: the halves of 2^kAbove conditions are
// chosen between by the digit of `above`, quarters by the next one, and so on.
template <uint32_t kAbove>
[[gnu::always_inline]] inline __m256i choose(const uint64_t* conditions, const uint32_t* asked,
                                             const __m256i* above) {
  if constexpr (kAbove == 0) {
    return load(conditions + uint64_t{*asked} * kSliceWords);
  } else {
    const __m256i left = choose<kAbove - 1>(conditions, asked, above + 1);
    const __m256i right = choose<kAbove - 1>(conditions, asked + (1u << (kAbove - 1)), above + 1);
    return _mm256_or_si256(_mm256_and_si256(*above, right), _mm256_andnot_si256(*above, left));
  }
}

// From the first digit to the last.
template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 __m256i* from_top) {
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
  for (uint32_t half = 0; half < 2; ++half) {
    const uint64_t* slots = task.slots + slice_slot(group.digits, t, 0) * kSliceWords;
    const uint64_t* conditions = task.conditions + half * kHalfWords;
    __m256i part[kParts];
#pragma GCC unroll 8
    for (uint32_t p = 0; p < kParts; ++p) part[p] = _mm256_setzero_si256();
    switch (group.form) {
      case SliceForm::kAny:
        read_digits<kDigits>(slots + half * kHalfWords, part);
        break;
      case SliceForm::kFull: {
        __m256i from_top[kParts];
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
      store(leaves + half * kHalfRows + m * kByteRows, part[m]);
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

// ---- leaf values -----------------------------------------------------------------------------

template <uint32_t kTables, class Float>
void add_leaves(const uint8_t* table, const uint8_t* leaves, Float* sums) {
  for (uint32_t row = 0; row < kSliceRows; row += kByteRows) {
    add_part(table, Index<kTables>(load(leaves + row)), sums + row);
  }
}

template <class Float>
void add_leaves(const uint8_t* table, uint32_t digits, const uint8_t* leaves, Float* sums) {
  if (digits <= 4) return add_leaves<1>(table, leaves, sums);
  if (digits == 5) return add_leaves<2>(table, leaves, sums);
  if (digits == 6) return add_leaves<4>(table, leaves, sums);
  add_leaves<16>(table, leaves, sums);
}

// Puts the 16-byte units of each 32 rows back in row order: first the lower lanes, then the upper.
template <uint32_t kUnits>
void restore_order(__m256i* sums) {
  for (uint32_t first = 0; first < kSliceRows / kByteRows * kUnits; first += kUnits) {
    __m256i unit[kUnits];
    for (uint32_t v = 0; v < kUnits; ++v) unit[v] = load(sums + first + v);
    for (uint32_t v = 0; v < kUnits / 2; ++v) {
      store(sums + first + v, _mm256_permute2x128_si256(unit[2 * v], unit[2 * v + 1], 0x20));
      store(sums + first + kUnits / 2 + v,
            _mm256_permute2x128_si256(unit[2 * v], unit[2 * v + 1], 0x31));
    }
  }
}

// Brings them from row order into the order that `restore_order` undoes.
template <uint32_t kUnits>
void leave_order(__m256i* sums) {
  for (uint32_t first = 0; first < kSliceRows / kByteRows * kUnits; first += kUnits) {
    __m256i unit[kUnits];
    for (uint32_t v = 0; v < kUnits / 2; ++v) {
      const __m256i lower = load(sums + first + v);
      const __m256i upper = load(sums + first + kUnits / 2 + v);
      unit[2 * v] = _mm256_permute2x128_si256(lower, upper, 0x20);
      unit[2 * v + 1] = _mm256_permute2x128_si256(lower, upper, 0x31);
    }
    for (uint32_t v = 0; v < kUnits; ++v) store(sums + first + v, unit[v]);
  }
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  fill_constants(task);
  evaluate_conditions(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t k = 0; task.starts_differ && k < task.n_outputs; ++k) {
    leave_order<sizeof(Float)>(reinterpret_cast<__m256i*>(sums + uint64_t{k} * kSliceRows));
  }
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(model, group, t, task, task.leaves);
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes) {
        add_leaves(table, group.tree_digits[t], task.leaves,
                   sums + uint64_t{model.tree_output[group.first_tree + t] + w} * kSliceRows);
      }
    }
  }
  for (uint32_t k = 0; k < task.n_outputs; ++k) {
    restore_order<sizeof(Float)>(reinterpret_cast<__m256i*>(sums + uint64_t{k} * kSliceRows));
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

}  // namespace cordwood::kernels::avx2
