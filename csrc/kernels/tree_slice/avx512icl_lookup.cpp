// tree_lookup on AVX-512 with VBMI: a row's bins are one, two or four registers, so that vpermb fetches
// those of the 64 nodes of a step, one compare answers them, and one store keeps the answers. A table
// of 16 words is one register: of each of 16 rows, vpermd reads four answers as the number of an entry,
// and vpternlog joins three tables. Leaf values are looked up by vpermi2d in pieces of 32 bits.
//
// For 500 trees of 31 leaves and 32 rows: 250 x 32 x 3 instructions for answers, of which the stores
// bind, one a cycle; 500 x 2 x 28 for leaves and values (float64), with 832 bytes a tree of nodes,
// tables and values from the L2, which take no longer.
#include <immintrin.h>

#include "kernels/tree_slice/avx512icl.hpp"
#include "kernels/tree_slice/tree_lookup.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr uint32_t kGroupRows = 16;  // a row is a lane

// ---- bins, row by row ------------------------------------------------------------------------

// Bytes from one row to the next: one, two or four registers.
uint32_t row_stride(const LookupModel& model) {
  return model.n_columns <= 64 ? 64 : (model.n_columns <= 128 ? 128 : 256);
}

// Exchanges neighbouring bytes, words and so on of 16 columns, within each lane of 16 rows.
[[gnu::always_inline]] inline void transpose_lanes(__m512i* x) {
  __m512i y[16];
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 8; ++i) {
    y[2 * i] = _mm512_unpacklo_epi8(x[i], x[i + 8]);
    y[2 * i + 1] = _mm512_unpackhi_epi8(x[i], x[i + 8]);
  }
#pragma GCC unroll 16
  for (uint32_t i = 0; i < 16; ++i) x[i] = y[i];
}

// What stands past the last column does not count.
void turn_bins(const LookupModel& model, const LookupTask& task) {
  const uint32_t stride = row_stride(model);
  for (uint32_t first = 0; first < model.n_columns; first += 16) {
    __m512i x[16];
#pragma GCC unroll 16
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t column = first + i < model.n_columns ? first + i : first;
      x[i] = load(task.bins + uint64_t{column} * kLookupRows);
    }
#pragma GCC unroll 4
    for (uint32_t round = 0; round < 4; ++round) transpose_lanes(x);
#pragma GCC unroll 16
    for (uint32_t i = 0; i < 16; ++i) {
      auto* to = reinterpret_cast<__m128i*>(task.rows + uint64_t{i} * stride + first);
      const uint64_t lane = uint64_t{16} * stride / sizeof(__m128i);
      _mm_store_si128(to, _mm512_castsi512_si128(x[i]));
      _mm_store_si128(to + lane, _mm512_extracti32x4_epi32(x[i], 1));
      _mm_store_si128(to + 2 * lane, _mm512_extracti32x4_epi32(x[i], 2));
      _mm_store_si128(to + 3 * lane, _mm512_extracti32x4_epi32(x[i], 3));
    }
  }
}

// ---- answers ---------------------------------------------------------------------------------

// Bins of 64 nodes of one row of up to 64 kRegisters columns.
template <uint32_t kRegisters>
[[gnu::always_inline]] inline __m512i bins_of(const uint8_t* row, __m512i column_u8x64) {
  if constexpr (kRegisters == 1) {
    return _mm512_permutexvar_epi8(column_u8x64, load(row));
  } else if constexpr (kRegisters == 2) {
    return _mm512_permutex2var_epi8(load(row), column_u8x64, load(row + 64));
  } else {
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column_u8x64), bins_of<2>(row, column_u8x64),
                                  bins_of<2>(row + 128, column_u8x64));
  }
}

// Eight rows at a time, whose bins stay in registers or the L1.
template <uint32_t kRegisters>
void answer_steps(const LookupModel& model, const LookupTask& task, uint32_t first, uint32_t n) {
  constexpr uint32_t kStride = 64 * kRegisters;
  for (uint32_t row = 0; row < task.n_rows; row += 8) {
    const uint8_t* bins = task.rows + uint64_t{row} * kStride;
    for (uint32_t step = 0; step < n; ++step) {
      const uint64_t node = uint64_t{first + step} * kLookupStepNodes;
      const __m512i column_u8x64 = load(model.columns + node);
      const __m512i rank_u8x64 = load(model.ranks + node);
      uint64_t* out = task.answers + step * kLookupRows + row;
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 8; ++i) {
        const __m512i bin_u8x64 = bins_of<kRegisters>(bins + i * kStride, column_u8x64);
        out[i] = _mm512_cmpgt_epu8_mask(bin_u8x64, rank_u8x64);
      }
    }
  }
}

void answer(const LookupModel& model, const LookupTask& task, uint32_t first, uint32_t n) {
  switch (row_stride(model)) {
    case 64:
      return answer_steps<1>(model, task, first, n);
    case 128:
      return answer_steps<2>(model, task, first, n);
    default:
      return answer_steps<4>(model, task, first, n);
  }
}

// Which rows' categories are in each set of all columns.
void evaluate_sets(const LookupModel& model, const LookupTask& task) {
  uint64_t* out = task.in_set;
  for (uint32_t c = 0; c < model.n_columns; ++c) {
    if (model.sets[c].n_tables == 0) continue;
    const BinBits bits(load(task.bins + uint64_t{c} * kLookupRows));
    for (uint32_t i = 0; i < model.sets[c].n_tables; ++i) {
      *out++ = bits.in(model.sets[c].tables + 32 * i);
    }
  }
  *out = 0;
}

// ---- leaves ----------------------------------------------------------------------------------

// Which row stands in which lane of 16. Unpacking the two halves of 16 float64 puts together what lanes
// 4 i and 4 i + 1 hold, and apart from it what lanes 4 i + 2 and 4 i + 3 hold.
enum class Order : uint8_t { kRows, kForUnpacking };

template <Order kOrder>
[[gnu::always_inline]] inline __m512i row_of_lane() {
  return kOrder == Order::kRows
             ? _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
             : _mm512_setr_epi32(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
}

// Answers of 16 rows to the first (0) or the last (1) 32 nodes of a step.
template <Order kOrder, int kHalf>
[[gnu::always_inline]] inline __m512i answers_of(const uint64_t* answers) {
  const __m512i dword_u32x16 =
      _mm512_or_si512(_mm512_slli_epi32(row_of_lane<kOrder>(), 1), _mm512_set1_epi32(kHalf));
  return _mm512_permutex2var_epi32(load(answers), dword_u32x16, load(answers + 8));
}

// What a table keeps by the four answers from bit `first`; vpermd reads the last four bits of a lane.
[[gnu::always_inline]] inline __m512i kept(const uint32_t* table, __m512i answer_u32x16,
                                           uint32_t first) {
  const __m512i entries = _mm512_loadu_si512(table);
  return _mm512_permutexvar_epi32(_mm512_srli_epi32(answer_u32x16, first), entries);
}

[[gnu::always_inline]] inline __m512i and3(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x80);
}

// By kNodes answers from bit kFirst.
template <uint32_t kNodes, uint32_t kFirst>
[[gnu::always_inline]] inline __m512i kept_by_all(const uint32_t* keep, __m512i answer_u32x16) {
  constexpr uint32_t kTables = kNodes / kLookupTableNodes;
  const auto table = [&](uint32_t i) {
    return kept(keep + i * kLookupEntries, answer_u32x16, kFirst + kLookupTableNodes * i);
  };
  __m512i left = table(0);
#pragma GCC unroll 4
  for (uint32_t i = 1; i + 1 < kTables; i += 2) left = and3(left, table(i), table(i + 1));
  return _mm512_and_si512(left, table(kTables - 1));
}

// Answers of 64 rows to eight category nodes, a byte a row.
[[gnu::always_inline]] inline __m512i eight_answers(const uint32_t* set, const uint64_t* in_set) {
  const auto two = [&](uint32_t i) {
    const auto word = [&](uint32_t at) { return static_cast<long long>(in_set[set[at]]); };
    return _mm_insert_epi64(_mm_cvtsi64_si128(word(i)), word(i + 1), 1);
  };
  const __m256i low = _mm256_set_m128i(two(2), two(0));
  const __m256i high = _mm256_set_m128i(two(6), two(4));
  return transpose_digits(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}

/// A register for each 16 rows: the leaves that a tree's nodes keep, or the number of the first.
template <uint32_t kGroups>
struct Leaves {
  __m512i group_u32x16[kGroups];
};

template <Order kOrder, uint32_t kGroups>
[[gnu::always_inline]] inline void keep_by_eight(const LookupEight& eight, const uint64_t* in_set,
                                                 Leaves<kGroups>& left) {
  const __m512i answer_u8x64 = eight_answers(eight.set, in_set);
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    const auto first_row = static_cast<int>(g * kGroupRows);
    const __m512i row_u32x16 =
        _mm512_add_epi32(row_of_lane<kOrder>(), _mm512_set1_epi32(first_row));
    // The upper bytes of a lane do not count.
    const __m512i answer_u32x16 = _mm512_permutexvar_epi8(row_u32x16, answer_u8x64);
    left.group_u32x16[g] = and3(left.group_u32x16[g], kept(eight.keep, answer_u32x16, 0),
                                kept(eight.keep + kLookupEntries, answer_u32x16, 4));
  }
}

/// What the kernel is compiled for.
template <Order kInOrder, bool kWithSets, uint32_t kTreeNodes, uint32_t kRowGroups>
struct Case {
  static constexpr Order kOrder = kInOrder;
  static constexpr bool kSets = kWithSets;  // whether any tree has category nodes
  static constexpr uint32_t kNodes = kTreeNodes;
  static constexpr uint32_t kTrees = kLookupStepNodes / kTreeNodes;  // of a step
  static constexpr uint32_t kTables = kTreeNodes / kLookupTableNodes;
  static constexpr uint32_t kGroups = kRowGroups;
};

// Leaves of the rows in tree `tree`, the `kPlace`th of a step.
template <class C, uint32_t kPlace>
[[gnu::always_inline]] inline Leaves<C::kGroups> read_tree(const LookupModel& model,
                                                           const LookupTask& task, uint32_t tree,
                                                           const uint64_t* answers) {
  constexpr uint32_t kFirst = kPlace * C::kNodes;
  const uint32_t* keep = model.keep + uint64_t{tree} * C::kTables * kLookupEntries;
  Leaves<C::kGroups> leaves;
#pragma GCC unroll 4
  for (uint32_t g = 0; g < C::kGroups; ++g) {
    leaves.group_u32x16[g] = kept_by_all<C::kNodes, kFirst % 32>(
        keep, answers_of<C::kOrder, kFirst / 32>(answers + g * kGroupRows));
  }
  if constexpr (C::kSets) {
    for (uint32_t e = model.first_eight[tree]; e < model.first_eight[tree + 1]; ++e) {
      keep_by_eight<C::kOrder>(model.eights[e], task.in_set, leaves);
    }
  }
#pragma GCC unroll 4
  for (__m512i& group : leaves.group_u32x16) group = _mm512_lzcnt_epi32(group);
  return leaves;
}

// Calls `take` with the trees of a step and their leaves, from the `kPlace`th tree on.
template <class C, uint32_t kPlace = 0, class Take>
[[gnu::always_inline]] inline void visit_step(const LookupModel& model, const LookupTask& task,
                                              uint32_t first_tree, const uint64_t* answers,
                                              Take&& take) {
  if constexpr (kPlace < C::kTrees) {
    const uint32_t tree = first_tree + kPlace;
    if (tree >= model.n_trees) return;
    take(tree, read_tree<C, kPlace>(model, task, tree, answers));
    visit_step<C, kPlace + 1>(model, task, first_tree, answers, take);
  }
}

// Calls `take` with each tree and its leaves, in tree order. The answers of a few steps are made before
// they are read, so that they have left the store buffer and still lie in the L1.
template <class C, class Take>
[[gnu::always_inline]] inline void visit_trees(const LookupModel& model, const LookupTask& task,
                                               Take&& take) {
  const uint32_t n_steps = (model.n_trees + C::kTrees - 1) / C::kTrees;
  for (uint32_t first = 0; first < n_steps; first += kLookupSteps) {
    const uint32_t n = n_steps - first < kLookupSteps ? n_steps - first : kLookupSteps;
    answer(model, task, first, n);
    for (uint32_t step = 0; step < n; ++step) {
      visit_step<C>(model, task, (first + step) * C::kTrees, task.answers + step * kLookupRows,
                    take);
    }
  }
}

// ---- leaf values -----------------------------------------------------------------------------

// A piece of each leaf's value; the last five bits of a lane count.
struct Pieces {
  __m512i lower, upper;

  explicit Pieces(const uint32_t* table) : lower(load(table)), upper(load(table + 16)) {}

  [[gnu::always_inline]] __m512i at(__m512i leaf_u32x16) const {
    return _mm512_permutex2var_epi32(lower, leaf_u32x16, upper);
  }
};

[[gnu::always_inline]] inline void add(float* sums, __m512i value) {
  _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_castsi512_ps(value)));
}
[[gnu::always_inline]] inline void add(double* sums, __m512i value) {
  _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), _mm512_castsi512_pd(value)));
}

template <uint32_t kGroups>
[[gnu::always_inline]] inline void add_leaves(const uint32_t* table, const Leaves<kGroups>& leaves,
                                              float* sums) {
  const Pieces value(table);
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    add(sums + g * kGroupRows, value.at(leaves.group_u32x16[g]));
  }
}

template <uint32_t kGroups>
[[gnu::always_inline]] inline void add_leaves(const uint32_t* table, const Leaves<kGroups>& leaves,
                                              double* sums) {
  const Pieces low(table), high(table + kLookupLeaves);
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    const __m512i low_u32x16 = low.at(leaves.group_u32x16[g]);
    const __m512i high_u32x16 = high.at(leaves.group_u32x16[g]);
    double* to = sums + g * kGroupRows;
    add(to, _mm512_unpacklo_epi32(low_u32x16, high_u32x16));
    add(to + 8, _mm512_unpackhi_epi32(low_u32x16, high_u32x16));
  }
}

// Calls `run` with the case that the model and the number of rows make.
template <Order kOrder, uint32_t kGroups, class Run>
[[gnu::always_inline]] inline void choose_case(const LookupModel& model, Run&& run) {
  const bool few = model.tree_nodes == kLookupFewNodes;
  if (model.n_sets == 0) {
    if (few) return run(Case<kOrder, false, kLookupFewNodes, kGroups>{});
    return run(Case<kOrder, false, kLookupNodes, kGroups>{});
  }
  if (few) return run(Case<kOrder, true, kLookupFewNodes, kGroups>{});
  run(Case<kOrder, true, kLookupNodes, kGroups>{});
}

template <class Float, class C>
void sum_trees(const LookupModel& model, const LookupTask& task) {
  auto* sums = static_cast<Float*>(task.sums);
  const uint32_t* table = model.values;  // of all trees, one after the other
  visit_trees<C>(model, task, [&](uint32_t tree, const Leaves<C::kGroups>& leaves) {
    Float* to = sums + uint64_t{model.tree_output[tree]} * kLookupRows;
    for (uint32_t w = 0; w < model.leaf_width; ++w, to += kLookupRows) {
      add_leaves<C::kGroups>(table, leaves, to);
      table += kLookupLeaves * sizeof(Float) / sizeof(uint32_t);
    }
  });
}

template <class Float>
void sum(const LookupModel& model, const LookupTask& task) {
  constexpr Order kOrder = sizeof(Float) == 8 ? Order::kForUnpacking : Order::kRows;
  const auto run = [&]<class C>(C) { sum_trees<Float, C>(model, task); };
  turn_bins(model, task);
  evaluate_sets(model, task);
  switch ((task.n_rows + kGroupRows - 1) / kGroupRows) {
    case 1:
      return choose_case<kOrder, 1>(model, run);
    case 2:
      return choose_case<kOrder, 2>(model, run);
    case 3:
      return choose_case<kOrder, 3>(model, run);
    default:
      return choose_case<kOrder, 4>(model, run);
  }
}

template <class C>
void name_leaves(const LookupModel& model, const LookupTask& task) {
  visit_trees<C>(model, task, [&](uint32_t tree, const Leaves<C::kGroups>& leaves) {
    auto* to = reinterpret_cast<__m128i*>(task.leaves + uint64_t{tree} * kLookupRows);
    for (uint32_t g = 0; g < C::kGroups; ++g) {
      _mm_store_si128(to + g, _mm512_cvtepi32_epi8(leaves.group_u32x16[g]));
    }
  });
}

}  // namespace

void tree_lookup_f32(const LookupModel& model, const LookupTask& task) noexcept {
  sum<float>(model, task);
}

void tree_lookup_f64(const LookupModel& model, const LookupTask& task) noexcept {
  sum<double>(model, task);
}

void tree_lookup_leaves(const LookupModel& model, const LookupTask& task) noexcept {
  constexpr uint32_t kGroups = kLookupRows / kGroupRows;
  turn_bins(model, task);
  evaluate_sets(model, task);
  choose_case<Order::kRows, kGroups>(model, [&]<class C>(C) { name_leaves<C>(model, task); });
}

}  // namespace cordwood::kernels::avx512icl
