// qmatmul with vpdpbusd: a tile of rows by 32 outputs stays in registers for whole groups.
//
// A step of a tile is two loads of weights, one broadcast of four activations a row, and two
// multiply-adds a row. The processor takes two loads and two multiply-adds a cycle, so from four rows
// on the multiply-adds bind. A matrix of one group has tiles of 12 rows (24 sums). With several
// groups, 6 rows keep 12 integer sums and 12 float sums; a group ends with a convert and an fma for
// each, one fma on the multiply-adds' ports for 16 of them at 64 inputs: 94 % is the bound. Weights of
// 4 bits are taken apart in registers, 6 cheap instructions for 24 multiply-adds; those of 2 and 3 bits
// are expanded in L1 for all rows. Sums of one row take turns with three others, of two or three rows
// with one other. Weights are asked for eight kilobytes ahead; one row leaves that to the processor.
#include <immintrin.h>

#include <cstring>

#include "kernels/qmatmul/avx512icl_end.hpp"
#include "kernels/qmatmul/avx512icl_expand.hpp"
#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

/// Rows of a tile: with one group of integers in registers, or with integers and floats.
constexpr uint32_t kWholeRows = 12;
constexpr uint32_t kGroupRows = 6;
/// The processor's own streams end with a page; 16 KiB ahead push activations out of L1.
constexpr uint64_t kAheadBytes = 8192;

i32x16 add_products(i32x16 sum, __m512i codes, __m512i inputs) noexcept {
  return reinterpret_cast<i32x16>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), codes, inputs));
}

__m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

__m512i four_inputs(const int8_t* codes) noexcept {
  int32_t word;
  std::memcpy(&word, codes, sizeof word);
  return _mm512_set1_epi32(word);
}

/// Inlined by order: GCC 12 takes a call whose only effect is a prefetch for one without any, and drops it.
[[gnu::always_inline]] inline void ask_ahead(const uint8_t* steps) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(steps + kAheadBytes), _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(steps + kAheadBytes + 64), _MM_HINT_T0);
}

/// Sums of each row and output that take turns: a multiply-add waits four cycles or five for the one
/// before it, and two begin in a cycle. Few rows have too few sums of their own to fill that time.
template <uint32_t R>
constexpr uint32_t kTurns = R == 1 ? 4 : (R <= 3 ? 2 : 1);

/// Adds a step of expanded weights to the sums of R rows.
template <uint32_t R>
[[gnu::always_inline]] inline void add_step(const uint8_t* step, const int8_t* codes,
                                            uint64_t stride, Pair (&sums)[R]) noexcept {
  const __m512i low = load(step);
  const __m512i high = load(step + 64);
  if constexpr (R > 1) ask_ahead(step);
#pragma GCC unroll 12
  for (uint32_t row = 0; row < R; ++row) {
    const __m512i inputs = four_inputs(codes + row * stride);
    sums[row].low = add_products(sums[row].low, low, inputs);
    sums[row].high = add_products(sums[row].high, high, inputs);
  }
}

/// The same for two steps of 4-bit weights as they are stored; `even` and `odd` may be the same.
template <uint32_t R>
[[gnu::always_inline]] inline void add_two_steps(const uint8_t* steps, const int8_t* codes,
                                                 uint64_t stride, Pair (&even)[R],
                                                 Pair (&odd)[R]) noexcept {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i low = load(steps);
  const __m512i high = load(steps + 64);
  if constexpr (R > 1) ask_ahead(steps);
  const __m512i even_low = _mm512_and_si512(low, nibble);
  const __m512i even_high = _mm512_and_si512(high, nibble);
  const __m512i odd_low = _mm512_and_si512(_mm512_srli_epi16(low, 4), nibble);
  const __m512i odd_high = _mm512_and_si512(_mm512_srli_epi16(high, 4), nibble);
#pragma GCC unroll 12
  for (uint32_t row = 0; row < R; ++row) {
    const __m512i first = four_inputs(codes + row * stride);
    const __m512i second = four_inputs(codes + row * stride + kStepInputs);
    even[row].low = add_products(even[row].low, even_low, first);
    even[row].high = add_products(even[row].high, even_high, first);
    odd[row].low = add_products(odd[row].low, odd_low, second);
    odd[row].high = add_products(odd[row].high, odd_high, second);
  }
}

template <uint32_t R>
[[gnu::always_inline]] inline void add_sums(Pair (&sums)[R], const Pair (&others)[R]) noexcept {
#pragma GCC unroll 12
  for (uint32_t row = 0; row < R; ++row) {
    sums[row].low += others[row].low;
    sums[row].high += others[row].high;
  }
}

/// Adds the steps of expanded weights to the sums of R rows.
template <uint32_t R>
[[gnu::always_inline]] inline void add_steps(const uint8_t* steps, uint32_t n_steps,
                                             const int8_t* codes, uint64_t stride,
                                             Pair (&sums)[R]) noexcept {
  constexpr uint32_t kOthers = kTurns<R> - 1;
  Pair others[kOthers + 1][R]{};
  for (uint32_t step = 0; step < n_steps; step += kTurns<R>) {
    add_step<R>(steps, codes, stride, sums);
#pragma GCC unroll 3
    for (uint32_t other = 0; other < kOthers; ++other) {
      steps += kStepBytes;
      codes += kStepInputs;
      add_step<R>(steps, codes, stride, others[other]);
    }
    steps += kStepBytes;
    codes += kStepInputs;
  }
#pragma GCC unroll 3
  for (uint32_t other = 0; other < kOthers; ++other) add_sums<R>(sums, others[other]);
}

/// The same for 4-bit weights as they are stored, two steps at a time.
template <uint32_t R>
[[gnu::always_inline]] inline void add_nibbles(const uint8_t* steps, uint32_t n_steps,
                                               const int8_t* codes, uint64_t stride,
                                               Pair (&sums)[R]) noexcept {
  constexpr uint32_t kOthers = kTurns<R> / 2;
  Pair odd[R]{};
  Pair others[2][R]{};
  for (uint32_t step = 0; step < n_steps; step += 2) {
    add_two_steps<R>(steps, codes, stride, sums, kOthers != 0 ? odd : sums);
    if constexpr (kOthers == 2) {
      step += 2;
      steps += kStepBytes;
      codes += 2 * kStepInputs;
      add_two_steps<R>(steps, codes, stride, others[0], others[1]);
    }
    steps += kStepBytes;
    codes += 2 * kStepInputs;
  }
  if constexpr (kOthers != 0) add_sums<R>(sums, odd);
  if constexpr (kOthers == 2) {
    add_sums<R>(sums, others[0]);
    add_sums<R>(sums, others[1]);
  }
}

/// Consecutive groups of a panel whose weights are at hand.
struct Chunk {
  const uint8_t* steps;  ///< expanded, or as stored where `nibbles`
  const float* scales;
  const uint8_t* zeros;  ///< null where symmetric
  const int32_t* columns;
  uint64_t first_input;
  uint32_t first_group;
  uint32_t n_groups;
  uint32_t group_steps;  ///< of every group but the last of the chunk
  uint32_t last_steps;
  bool nibbles;
};

/// What zero points add to the sums of a row, negative.
Pair start_sums(const int32_t* sum, const uint8_t* zeros) noexcept {
  const auto minus = reinterpret_cast<i32x16>(_mm512_set1_epi32(*sum));
  if (zeros == nullptr) return {minus, minus};
  const auto widen = [](const uint8_t* from) {
    return reinterpret_cast<i32x16>(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  };
  return {widen(zeros) * minus, widen(zeros + 16) * minus};
}

/// The same less what the zero point of a row's activations adds.
template <bool kAffine>
[[gnu::always_inline]] inline Pair start_row(const QmatmulRows& rows, uint32_t n_groups,
                                             uint32_t row, uint32_t group, const uint8_t* zeros,
                                             const int32_t* columns) noexcept {
  const uint64_t row_group = uint64_t{row} * n_groups + group;
  Pair start = start_sums(rows.sums + row_group, zeros);
  if constexpr (kAffine) {
    const int32_t zero = rows.zeros[rows.group_scales != 0 ? row_group : row];
    start.low -= reinterpret_cast<i32x16>(load(columns)) * zero;
    start.high -= reinterpret_cast<i32x16>(load(columns + 16)) * zero;
  }
  return start;
}

FloatPair scales_of(const QmatmulRows& rows, uint32_t n_groups, uint32_t row, uint32_t group,
                    const float* scales) noexcept {
  FloatPair scale{_mm512_loadu_ps(scales), _mm512_loadu_ps(scales + 16)};
  if (rows.group_scales != 0) {
    const __m512 own = _mm512_set1_ps(rows.scales[uint64_t{row} * n_groups + group]);
    scale = {_mm512_mul_ps(scale.low, own), _mm512_mul_ps(scale.high, own)};
  }
  return scale;
}

template <uint32_t R>
[[gnu::always_inline]] inline void add_group(const Chunk& chunk, const uint8_t* steps,
                                             uint32_t n_steps, const int8_t* codes, uint64_t stride,
                                             Pair (&whole)[R]) noexcept {
  if constexpr (R <= kGroupRows) {
    if (chunk.nibbles) return add_nibbles<R>(steps, n_steps, codes, stride, whole);
  }
  add_steps<R>(steps, n_steps, codes, stride, whole);
}

/// A chunk of one group for R rows.
template <uint32_t R, bool kAffine>
void run_whole(const Qmatmul& task, const Chunk& chunk, const Sums& sums, const Columns& columns,
               uint32_t row) noexcept {
  const QmatmulRows& rows = task.rows;
  const uint32_t n_groups = task.weights.n_groups;
  Pair whole[R];
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    whole[r] =
        start_row<kAffine>(rows, n_groups, row + r, chunk.first_group, chunk.zeros, chunk.columns);
  }
  const int8_t* codes = rows.codes + row * rows.code_stride + chunk.first_input;
  add_group<R>(chunk, chunk.steps, chunk.last_steps, codes, rows.code_stride, whole);
  if (sums.all() && columns.full() && rows.group_scales == 0) {
    if (task.end.bias != nullptr) {
      return finish_rows<R, true>(task, chunk.scales, whole, columns.first, row);
    }
    return finish_rows<R, false>(task, chunk.scales, whole, columns.first, row);
  }
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    const FloatPair scale = scales_of(rows, n_groups, row + r, chunk.first_group, chunk.scales);
    sums.put(task, add_scaled(sums.get(row + r), whole[r], scale, sums.first()), row + r, columns);
  }
}

/// A chunk of several groups for R rows: their floats stay in registers.
template <uint32_t R, bool kAffine>
void run_groups(const Qmatmul& task, const Chunk& chunk, const Sums& sums, const Columns& columns,
                uint32_t row) noexcept {
  const QmatmulRows& rows = task.rows;
  const uint32_t n_groups = task.weights.n_groups;
  FloatPair sum[R];
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) sum[r] = sums.get(row + r);
  const int8_t* codes = rows.codes + row * rows.code_stride + chunk.first_input;
  const uint8_t* steps = chunk.steps;
  const uint64_t step_bytes = chunk.nibbles ? kStepBytes / 2 : kStepBytes;
  for (uint32_t g = 0; g < chunk.n_groups; ++g) {
    const uint32_t group = chunk.first_group + g;
    const uint32_t n_steps = g + 1 == chunk.n_groups ? chunk.last_steps : chunk.group_steps;
    const uint8_t* zeros = chunk.zeros != nullptr ? chunk.zeros + g * kPanelOutputs : nullptr;
    const float* scales = chunk.scales + g * kPanelOutputs;
    Pair whole[R];
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      whole[r] = start_row<kAffine>(rows, n_groups, row + r, group, zeros,
                                    chunk.columns + g * kPanelOutputs);
    }
    add_group<R>(chunk, steps, n_steps, codes, rows.code_stride, whole);
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      sum[r] = add_scaled(sum[r], whole[r], scales_of(rows, n_groups, row + r, group, scales),
                          sums.first() && g == 0);
    }
    steps += n_steps * step_bytes;
    codes += n_steps * kStepInputs;
  }
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) sums.put(task, sum[r], row + r, columns);
}

using Tile = void (*)(const Qmatmul&, const Chunk&, const Sums&, const Columns&,
                      uint32_t row) noexcept;

template <bool kAffine>
struct Tiles {
  static constexpr Tile kWhole[] = {nullptr,
                                    run_whole<1, kAffine>,
                                    run_whole<2, kAffine>,
                                    run_whole<3, kAffine>,
                                    run_whole<4, kAffine>,
                                    run_whole<5, kAffine>,
                                    run_whole<6, kAffine>,
                                    run_whole<7, kAffine>,
                                    run_whole<8, kAffine>,
                                    run_whole<9, kAffine>,
                                    run_whole<10, kAffine>,
                                    run_whole<11, kAffine>,
                                    run_whole<12, kAffine>};
  static constexpr Tile kGroups[] = {nullptr,
                                     run_groups<1, kAffine>,
                                     run_groups<2, kAffine>,
                                     run_groups<3, kAffine>,
                                     run_groups<4, kAffine>,
                                     run_groups<5, kAffine>,
                                     run_groups<6, kAffine>};
};

/// All rows, in tiles as even as can be.
template <bool kAffine>
void run_chunk(const Qmatmul& task, const Chunk& chunk, const Sums& sums,
               const Columns& columns) noexcept {
  const bool whole = chunk.n_groups == 1 && !chunk.nibbles;
  const uint32_t most = whole ? kWholeRows : kGroupRows;
  const uint32_t n_rows = task.rows.n_rows;
  const uint32_t n_tiles = (n_rows + most - 1) / most;
  uint32_t row = 0;
  for (uint32_t tile = 0; tile < n_tiles; ++tile) {
    const uint32_t count = (n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
    (whole ? Tiles<kAffine>::kWhole : Tiles<kAffine>::kGroups)[count](task, chunk, sums, columns,
                                                                      row);
    row += count;
  }
}

template <bool kAffine>
void run_panel(const Qmatmul& task, uint64_t panel) noexcept {
  const QmatmulWeights& weights = task.weights;
  auto* sums = static_cast<float*>(task.scratch);
  auto* expanded = reinterpret_cast<uint8_t*>(sums + uint64_t{task.rows.n_rows} * kPanelOutputs);
  const bool nibbles = weights.bits == 4;
  const bool expands = weights.bits != 8 && !nibbles;
  const uint32_t at_hand = groups_at_hand(weights, expands);
  const uint64_t first = panel * kPanelOutputs;
  const uint64_t left = task.end.n_outputs - first;
  const uint32_t lanes = left >= kPanelOutputs ? 0xFFFFFFFFu : (uint32_t{1} << left) - 1u;
  const Columns columns{first, static_cast<__mmask16>(lanes), static_cast<__mmask16>(lanes >> 16)};
  const uint8_t* steps = weights.panels + panel * weights.panel_bytes;
  uint64_t first_input = 0;
  for (uint32_t group = 0; group < weights.n_groups; group += at_hand) {
    const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs;
    const bool last = group + at_hand >= weights.n_groups;
    const uint32_t n_groups = last ? weights.n_groups - group : at_hand;
    const uint32_t last_steps = last ? weights.last_steps : weights.group_steps;
    const uint32_t n_steps = (n_groups - 1) * weights.group_steps + last_steps;
    if (expands) expand(steps, weights.bits, n_steps, expanded);
    run_chunk<kAffine>(task,
                       {.steps = expands ? expanded : steps,
                        .scales = weights.scales + at,
                        .zeros = weights.zeros != nullptr ? weights.zeros + at : nullptr,
                        .columns = weights.columns + at,
                        .first_input = first_input,
                        .first_group = group,
                        .n_groups = n_groups,
                        .group_steps = weights.group_steps,
                        .last_steps = last_steps,
                        .nibbles = nibbles},
                       Sums(sums, group == 0, last), columns);
    steps += uint64_t{n_steps} * kStepBytes * weights.bits / 8;
    first_input += uint64_t{n_steps} * kStepInputs;
  }
}

template <bool kAffine>
void run_panels(const Qmatmul& task) noexcept {
  const uint64_t n_panels = (task.end.n_outputs + kPanelOutputs - 1) / kPanelOutputs;
  for (uint64_t panel = 0; panel < n_panels; ++panel) run_panel<kAffine>(task, panel);
}

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.rows.zeros == nullptr ? run_panels<false>(task) : run_panels<true>(task);
}

}  // namespace cordwood::kernels::avx512icl
