// tree_slice on AVX-512 with VBMI and GFNI: 512 rows are one register.
//
// Per group of four trees of 31 leaves and 512 rows: 120 node operations (three loads, one vpternlogq,
// one store each; the two 512-bit load ports bind, 1.5 cycles), 4 x 31 exclusive ors and 4 x 30
// shuffles for the leaf numbers, and 4 x 8 x 45 instructions to look up and add float64 leaves. A
// condition is 8 compares and 8 mask stores. Leaf values come as byte planes: vpermb looks up 64 rows
// at once among 64 leaves, two vpermi2b and a blend among 256, and unpacking puts the bytes of a value together again.
//
// Rows inside a block are permuted by the unpacking. Leaf bytes: register m, 128-bit lane l holds rows
// 128 l + 16 m to + 15. Sums: unit v (16 bytes) of lane l holds the rows from 128 l + v * (16 / bytes of
// a value); the last step puts the units back in order.
#include <immintrin.h>

#include "kernels/tree_slice/avx512icl.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512icl {
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

// Bit `bin` of a 256-bit table: vpermb fetches byte bin / 8, a shuffle makes the mask of bit bin % 8.
void look_up_tables(const SliceColumn& column, const uint8_t* bins, uint64_t* out) {
  const __m512i bit_of = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull));
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i bin = load(bins + 64 * m);
    const __m512i byte = _mm512_and_si512(_mm512_srli_epi16(bin, 3), _mm512_set1_epi8(31));
    const __m512i mask = _mm512_shuffle_epi8(bit_of, _mm512_and_si512(bin, _mm512_set1_epi8(7)));
    for (uint32_t i = 0; i < column.n_tables; ++i) {
      const __m512i table = _mm512_broadcast_i64x4(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column.tables + 32 * i)));
      out[i * kSliceWords + m] = _mm512_test_epi8_mask(_mm512_permutexvar_epi8(byte, table), mask);
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

// ---- leaf numbers ----------------------------------------------------------------------------

// Digits of the exit leaf. The multiples of 2^p are the odd ones and the multiples of 2^(p+1), so
// that each digit is the next one and the exclusive or over the odd multiples.
template <uint32_t kDigits>
void read_digits(const uint64_t* slots, __m512i (&digit)[8]) {
  __m512i above = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (uint32_t i = 0; i < kDigits; ++i) {
    const uint32_t p = kDigits - 1 - i;
#pragma GCC unroll 32
    for (uint32_t node = (1u << p) - 1; node < (1u << kDigits) - 1; node += 2u << p) {
      above = _mm512_xor_si512(above, load(slots + node * kSliceWords));
    }
    digit[p] = above;
  }
}

// Eight digit vectors to 512 leaf numbers: bytes of eight digits side by side, then an 8x8 bit
// transpose in each quadword. The instruction numbers matrix rows from the top: digit 7 goes first.
void transpose_digits(const __m512i (&d)[8], uint8_t* leaves) {
  const __m512i unit = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201ull));
  const __m512i lo76 = _mm512_unpacklo_epi8(d[7], d[6]), hi76 = _mm512_unpackhi_epi8(d[7], d[6]);
  const __m512i lo54 = _mm512_unpacklo_epi8(d[5], d[4]), hi54 = _mm512_unpackhi_epi8(d[5], d[4]);
  const __m512i lo32 = _mm512_unpacklo_epi8(d[3], d[2]), hi32 = _mm512_unpackhi_epi8(d[3], d[2]);
  const __m512i lo10 = _mm512_unpacklo_epi8(d[1], d[0]), hi10 = _mm512_unpackhi_epi8(d[1], d[0]);
  const __m512i high[4] = {_mm512_unpacklo_epi16(lo76, lo54), _mm512_unpackhi_epi16(lo76, lo54),
                           _mm512_unpacklo_epi16(hi76, hi54), _mm512_unpackhi_epi16(hi76, hi54)};
  const __m512i low[4] = {_mm512_unpacklo_epi16(lo32, lo10), _mm512_unpackhi_epi16(lo32, lo10),
                          _mm512_unpacklo_epi16(hi32, hi10), _mm512_unpackhi_epi16(hi32, hi10)};
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) {
    const __m512i even = _mm512_unpacklo_epi32(high[i], low[i]);
    const __m512i odd = _mm512_unpackhi_epi32(high[i], low[i]);
    store(leaves + 128 * i, _mm512_gf2p8affine_epi64_epi8(unit, even, 0));
    store(leaves + 128 * i + 64, _mm512_gf2p8affine_epi64_epi8(unit, odd, 0));
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

// From the first digit to the last.
template <uint32_t kDigits, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void choose_digits(const uint64_t* conditions, const uint32_t* asked,
                                                 __m512i* from_top) {
  if constexpr (kLevel < kDigits) {
    from_top[kLevel] = choose<kLevel>(conditions, asked, from_top);
    choose_digits<kDigits, kLevel + 1>(conditions, asked + (1u << kLevel), from_top);
  }
}

template <uint32_t kDigits>
void read_tree(const SliceModel& model, const SliceGroup& group, uint32_t t, const SliceTask& task,
               uint8_t* leaves) {
  __m512i digit[8];
  for (__m512i& d : digit) d = _mm512_setzero_si512();
  const uint32_t* asked =
      model.asked + group.first + uint64_t{t} * slice_asked(group.form, kDigits);
  switch (group.form) {
    case SliceForm::kAny:
      read_digits<kDigits>(task.slots + slice_slot(kDigits, t, 0) * kSliceWords, digit);
      break;
    case SliceForm::kFull: {
      __m512i from_top[8];
      choose_digits<kDigits>(task.conditions, asked, from_top);
#pragma GCC unroll 8
      for (uint32_t p = 0; p < kDigits; ++p) digit[p] = from_top[kDigits - 1 - p];
      break;
    }
    case SliceForm::kOblivious:
      for (uint32_t p = 0; p < kDigits; ++p) {
        digit[p] = load(task.conditions + uint64_t{asked[kDigits - 1 - p]} * kSliceWords);
      }
      break;
  }
  transpose_digits(digit, leaves);
}

// Leaves of tree `t` of a group.
void read_leaves(const SliceModel& model, const SliceGroup& group, uint32_t t,
                 const SliceTask& task, uint8_t* leaves) {
  switch (group.digits) {
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

template <uint32_t kEntries>
void add_leaves(const uint8_t* table, const uint8_t* leaves, float* sums) {
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const Quad value = look_up_four<kEntries>(table, load(leaves + 64 * m));
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      float* at = sums + 64 * m + 16 * e;
      _mm512_store_ps(at, _mm512_add_ps(_mm512_load_ps(at), _mm512_castsi512_ps(value.part[e])));
    }
  }
}

template <uint32_t kEntries>
void add_leaves(const uint8_t* table, const uint8_t* leaves, double* sums) {
  for (uint32_t m = 0; m < kRegisters; ++m) {
    const __m512i leaf = load(leaves + 64 * m);
    const Quad low = look_up_four<kEntries>(table, leaf);
    const Quad high = look_up_four<kEntries>(table + 4 * kEntries, leaf);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      const Pair value = unpack32(low.part[e], high.part[e]);
      double* at = sums + 64 * m + 16 * e;
      _mm512_store_pd(at, _mm512_add_pd(_mm512_load_pd(at), _mm512_castsi512_pd(value.lo)));
      _mm512_store_pd(at + 8, _mm512_add_pd(_mm512_load_pd(at + 8), _mm512_castsi512_pd(value.hi)));
    }
  }
}

// Puts 16-byte units back in row order: unit v of lane l moves to place l * n + v, n units a lane.
template <uint32_t kUnits>
void restore_order(__m128i* units, __m128i* spare) {
  for (uint32_t i = 0; i < 4 * kUnits; ++i) spare[i] = units[i];
  for (uint32_t lane = 0; lane < 4; ++lane) {
    for (uint32_t v = 0; v < kUnits; ++v) units[lane * kUnits + v] = spare[4 * v + lane];
  }
}

// Brings 16-byte units from row order into the order that `restore_order` undoes.
template <uint32_t kUnits>
void leave_order(__m128i* units, __m128i* spare) {
  for (uint32_t i = 0; i < 4 * kUnits; ++i) spare[i] = units[i];
  for (uint32_t lane = 0; lane < 4; ++lane) {
    for (uint32_t v = 0; v < kUnits; ++v) units[4 * v + lane] = spare[lane * kUnits + v];
  }
}

template <class Float>
void sum(const SliceModel& model, const SliceTask& task) {
  constexpr uint32_t kUnits = kSliceRows * sizeof(Float) / 64;
  store(task.slots + kSliceZeros * kSliceWords, _mm512_setzero_si512());
  store(task.slots + kSliceOnes * kSliceWords, _mm512_set1_epi64(-1));
  evaluate_conditions(model, task);
  auto* sums = static_cast<Float*>(task.sums);
  for (uint32_t k = 0; task.starts_differ && k < task.n_outputs; ++k) {
    leave_order<kUnits>(reinterpret_cast<__m128i*>(sums + uint64_t{k} * kSliceRows),
                        static_cast<__m128i*>(task.spare));
  }
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      read_leaves(model, group, t, task, task.leaves + t * kSliceRows);
    }
    const uint64_t table_bytes = slice_entries(group.digits) * sizeof(Float);
    const uint8_t* table = model.planes + group.first_plane;
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      const uint8_t* leaves = task.leaves + t * kSliceRows;
      for (uint32_t w = 0; w < model.leaf_width; ++w, table += table_bytes) {
        Float* out = sums + uint64_t{model.tree_output[group.first_tree + t] + w} * kSliceRows;
        if (group.digits <= 6) {
          add_leaves<64>(table, leaves, out);
        } else {
          add_leaves<256>(table, leaves, out);
        }
      }
    }
  }
  for (uint32_t k = 0; k < task.n_outputs; ++k) {
    restore_order<kUnits>(reinterpret_cast<__m128i*>(sums + uint64_t{k} * kSliceRows),
                          static_cast<__m128i*>(task.spare));
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
  store(task.slots + kSliceZeros * kSliceWords, _mm512_setzero_si512());
  store(task.slots + kSliceOnes * kSliceWords, _mm512_set1_epi64(-1));
  evaluate_conditions(model, task);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const SliceGroup& group = model.groups[g];
    if (group.form == SliceForm::kAny) run_group(model, group, task);
    for (uint32_t t = 0; t < group.n_trees; ++t) {
      uint8_t* leaves = task.leaves + uint64_t{group.first_tree + t} * kSliceRows;
      read_leaves(model, group, t, task, leaves);
      restore_order<kSliceRows / 64>(reinterpret_cast<__m128i*>(leaves),
                                     static_cast<__m128i*>(task.spare));
    }
  }
}

}  // namespace cordwood::kernels::avx512icl
