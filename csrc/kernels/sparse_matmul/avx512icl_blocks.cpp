// sparse_matmul, blocks: sums of 16 outputs for a tile of rows that lie side by side.
//
// Up to 8 rows: lanes are outputs. Eight kept inputs of a tile are eight loads, put together under
// masks; for each row a byte permute spreads its eight bytes over all lanes, for two multiply-adds with
// the weights of 8 outputs each. Lanes hold the two halves of an output's sum, added at the end.
// Multiply-adds and permutes bind, three ports for 24 of them with 8 rows.
//
// 32 rows: lanes are rows. Four inputs are two registers, put in the order [row][input] by two byte
// permutes; an output's weights come from memory, one broadcast for two multiply-adds. Eight outputs at
// a time leave 16 sums in registers. Multiply-adds bind, 16 for 12 loads.
#include <immintrin.h>

#include <cstring>

#include "kernels/sparse_matmul/avx512icl_parts.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

/// Groups whose weights stay in the second cache level while tiles of rows pass.
constexpr uint64_t kChunkEights = 1536;
constexpr uint64_t kAheadEights = 8;

__m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

void ask_ahead(const uint8_t* weights) noexcept {
  const auto* ahead = reinterpret_cast<const char*>(weights + kAheadEights * kEightBytes);
  _mm_prefetch(ahead, _MM_HINT_T0);
  _mm_prefetch(ahead + 64, _MM_HINT_T0);
}

/// Eights of a group.
struct Eights {
  const uint8_t* weights;
  const uint16_t* inputs;
  uint64_t count;
};

Eights eights_of(const SparseWeights& weights, uint64_t group) noexcept {
  const uint64_t first = weights.starts[group];
  return {weights.codes + first * kEightBytes, weights.inputs + first * 8,
          weights.starts[group + 1] - first};
}

/// Turns 16 registers of 16 sums: lane i of register j becomes lane j of register i.
[[gnu::always_inline]] inline void transpose(i32x16 (&sums)[16]) noexcept {
  __m512i from[16];
  __m512i to[16];
#pragma GCC unroll 16
  for (uint32_t i = 0; i < 16; ++i) from[i] = reinterpret_cast<__m512i>(sums[i]);
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 16; i += 2) {
    to[i] = _mm512_unpacklo_epi32(from[i], from[i + 1]);
    to[i + 1] = _mm512_unpackhi_epi32(from[i], from[i + 1]);
  }
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 16; i += 4) {
    from[i] = _mm512_unpacklo_epi64(to[i], to[i + 2]);
    from[i + 1] = _mm512_unpackhi_epi64(to[i], to[i + 2]);
    from[i + 2] = _mm512_unpacklo_epi64(to[i + 1], to[i + 3]);
    from[i + 3] = _mm512_unpackhi_epi64(to[i + 1], to[i + 3]);
  }
  // from[4 * q + c], quarter l: lane 4 * l + c of registers 4 * q to 4 * q + 3.
#pragma GCC unroll 4
  for (uint32_t c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(from[c], from[4 + c], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(from[c], from[4 + c], 0xDD);
    const __m512i even23 = _mm512_shuffle_i32x4(from[8 + c], from[12 + c], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(from[8 + c], from[12 + c], 0xDD);
    sums[c] = reinterpret_cast<i32x16>(_mm512_shuffle_i32x4(even01, even23, 0x88));
    sums[8 + c] = reinterpret_cast<i32x16>(_mm512_shuffle_i32x4(even01, even23, 0xDD));
    sums[4 + c] = reinterpret_cast<i32x16>(_mm512_shuffle_i32x4(odd01, odd23, 0x88));
    sums[12 + c] = reinterpret_cast<i32x16>(_mm512_shuffle_i32x4(odd01, odd23, 0xDD));
  }
}

void finish_rows(const SparseMatmul& task, const i32x16* sums, uint32_t first, uint32_t count,
                 uint64_t output) noexcept {
  const i32x16 offsets = offsets_of(task.weights, output);
  for (uint32_t row = 0; row < count; ++row) {
    finish_group(task, sums[row] + offsets, first + row, output);
  }
}

/// One input of R rows, 4 or 8, into the place of input I of eight.
template <uint32_t R, uint32_t I>
[[gnu::always_inline]] inline __m512i put_input(__m512i eight, const uint8_t* rows) noexcept {
  if constexpr (R == 8) {
    return _mm512_mask_broadcastq_epi64(eight, 1u << I,
                                        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)));
  } else {
    return _mm512_mask_broadcastd_epi32(eight, 1u << I, _mm_loadu_si32(rows));
  }
}

/// Eight inputs of R rows, [input][row], of a tile of so many lanes.
template <uint32_t R, uint32_t kLanes>
[[gnu::always_inline]] inline __m512i eight_inputs(const uint8_t* tile,
                                                   const uint16_t* inputs) noexcept {
  if constexpr (R == 1) {  // in a general register: masked loads of bytes cost a shuffle each
    uint64_t eight = 0;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < 8; ++i) eight |= uint64_t{tile[inputs[i]]} << (8 * i);
    return _mm512_castsi128_si512(_mm_cvtsi64_si128(static_cast<int64_t>(eight)));
  } else {
    const auto at = [&](uint32_t i) { return tile + uint64_t{inputs[i]} * kLanes; };
    const __m512i none = _mm512_setzero_si512();
    const __m512i a = put_input<R, 1>(put_input<R, 0>(none, at(0)), at(1));
    const __m512i b = put_input<R, 3>(put_input<R, 2>(none, at(2)), at(3));
    const __m512i c = put_input<R, 5>(put_input<R, 4>(a, at(4)), at(5));
    const __m512i d = put_input<R, 7>(put_input<R, 6>(b, at(6)), at(7));
    return _mm512_or_si512(c, d);
  }
}

/// Byte order that spreads the eight bytes of one of R rows over all lanes.
__m512i spread(uint32_t rows, uint32_t row) noexcept {
  alignas(64) uint8_t order[64];
  for (uint32_t i = 0; i < 64; ++i) order[i] = static_cast<uint8_t>(i % 8 * rows + row);
  return load(order);
}

/// R rows of a tile, which may have more.
template <uint32_t R, uint32_t kLanes = R>
void run_few(const SparseMatmul& task, uint64_t group, uint32_t row) noexcept {
  const uint32_t lane = row % kLanes;
  const uint8_t* tile = task.rows.codes + uint64_t{row - lane} * task.rows.stride + lane;
  Eights eights = eights_of(task.weights, group);
  __m512i order[R];
  i32x16 low[R];   // outputs 0 to 7, the two halves of their sums
  i32x16 high[R];  // outputs 8 to 15
#pragma GCC unroll 8
  for (uint32_t r = 0; r < R; ++r) {
    order[r] = spread(R, r);
    low[r] = high[r] = i32x16{};
  }
  for (; eights.count > 0; --eights.count) {
    const __m512i inputs = eight_inputs<R, kLanes>(tile, eights.inputs);
    const __m512i first = load(eights.weights);
    const __m512i second = load(eights.weights + 64);
    ask_ahead(eights.weights);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
      const __m512i own = _mm512_permutexvar_epi8(order[r], inputs);
      low[r] = add_products(low[r], own, first);
      high[r] = add_products(high[r], own, second);
    }
    eights.weights += kEightBytes;
    eights.inputs += 8;
  }
  alignas(64) uint32_t even[16];
  for (uint32_t i = 0; i < 16; ++i) even[i] = 2 * i;
  const __m512i evens = load(even);
  const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
  i32x16 sums[R];
#pragma GCC unroll 8
  for (uint32_t r = 0; r < R; ++r) {
    const auto pick = [&](__m512i which) {
      return reinterpret_cast<i32x16>(_mm512_permutex2var_epi32(
          reinterpret_cast<__m512i>(low[r]), which, reinterpret_cast<__m512i>(high[r])));
    };
    sums[r] = pick(evens) + pick(odds);
  }
  const uint32_t left = task.rows.n_rows - row;
  finish_rows(task, sums, row, left < R ? left : R, group * kSparseGroup);
}

/// Four inputs of 32 rows, [row][input], in two registers.
struct FourInputs {
  __m512i low;   // rows 0 to 15
  __m512i high;  // rows 16 to 31
};

[[gnu::always_inline]] inline FourInputs four_inputs(const uint8_t* tile, const uint16_t* inputs,
                                                     __m512i low, __m512i high) noexcept {
  const auto rows = [&](uint32_t i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + uint64_t{inputs[i]} * 32));
  };
  const auto two = [&](uint32_t i) {
    return _mm512_mask_broadcast_i64x4(_mm512_castsi256_si512(rows(i)), 0xF0, rows(i + 1));
  };
  const __m512i first = two(0);
  const __m512i second = two(2);
  return {_mm512_permutex2var_epi8(first, low, second),
          _mm512_permutex2var_epi8(first, high, second)};
}

/// Byte order of 16 rows, from `row` on, out of two registers of [input 0..1][row 0..31].
__m512i four_order(uint32_t row) noexcept {
  alignas(64) uint8_t order[64];
  for (uint32_t i = 0; i < 64; ++i) {
    order[i] = static_cast<uint8_t>(i % 4 * 32 + i / 4 + row);
  }
  return load(order);
}

__m512i one_output(const uint8_t* weights) noexcept {
  int32_t word;
  std::memcpy(&word, weights, sizeof word);
  return _mm512_set1_epi32(word);
}

/// Sums of 8 outputs for 32 rows.
[[gnu::always_inline]] inline void add_outputs(Eights eights, const uint8_t* tile, uint64_t first,
                                               i32x16* low_rows, i32x16* high_rows) noexcept {
  const __m512i low = four_order(0);
  const __m512i high = four_order(16);
  const uint8_t* weights = eights.weights + 8 * first;
  i32x16 sums[8][2];
#pragma GCC unroll 8
  for (uint32_t o = 0; o < 8; ++o) sums[o][0] = sums[o][1] = i32x16{};
  for (; eights.count > 0; --eights.count) {
    ask_ahead(weights);
#pragma GCC unroll 2
    for (uint32_t four = 0; four < 2; ++four) {
      const FourInputs inputs = four_inputs(tile, eights.inputs + 4 * four, low, high);
#pragma GCC unroll 8
      for (uint32_t o = 0; o < 8; ++o) {
        const __m512i own = one_output(weights + 8 * o + 4 * four);
        sums[o][0] = add_products(sums[o][0], inputs.low, own);
        sums[o][1] = add_products(sums[o][1], inputs.high, own);
      }
    }
    weights += kEightBytes;
    eights.inputs += 8;
  }
#pragma GCC unroll 8
  for (uint32_t o = 0; o < 8; ++o) {
    low_rows[first + o] = sums[o][0];
    high_rows[first + o] = sums[o][1];
  }
}

void run_32(const SparseMatmul& task, uint64_t group, uint32_t row) noexcept {
  const uint8_t* tile = task.rows.codes + uint64_t{row} * task.rows.stride;
  const Eights eights = eights_of(task.weights, group);
  i32x16 low[16];
  i32x16 high[16];
  add_outputs(eights, tile, 0, low, high);
  add_outputs(eights, tile, 8, low, high);
  transpose(low);
  transpose(high);
  const uint32_t left = task.rows.n_rows - row;
  finish_rows(task, low, row, 16, group * kSparseGroup);
  finish_rows(task, high, row + 16, left < 32 ? left - 16 : 16, group * kSparseGroup);
}

/// A tile: whole, or its last rows by eights.
void run_tile(const SparseMatmul& task, uint64_t group, uint32_t row) noexcept {
  switch (task.rows.lanes) {
    case 1:
      return run_few<1>(task, group, row);
    case 4:
      return run_few<4>(task, group, row);
    case 8:
      return run_few<8>(task, group, row);
    default:
      if (task.rows.n_rows - row > 16) return run_32(task, group, row);
      for (uint32_t first = row; first < task.rows.n_rows; first += 8) {
        run_few<8, kMostLanes>(task, group, first);
      }
  }
}

/// Groups from `group` on whose weights stay at hand.
uint64_t chunk_end(const SparseWeights& weights, uint64_t group, uint64_t n_groups) noexcept {
  const uint64_t last = weights.starts[group] + kChunkEights;
  uint64_t end = group + 1;
  while (end < n_groups && weights.starts[end + 1] <= last) ++end;
  return end;
}

}  // namespace

void sparse_blocks_s8(const SparseMatmul& task) noexcept {
  const uint64_t n_groups = (task.end.n_outputs + kSparseGroup - 1) / kSparseGroup;
  const uint32_t lanes = task.rows.lanes;
  for (uint64_t group = 0; group < n_groups;) {
    const uint64_t end = chunk_end(task.weights, group, n_groups);
    for (uint32_t row = 0; row < task.rows.n_rows; row += lanes) {
      for (uint64_t own = group; own < end; ++own) run_tile(task, own, row);
    }
    group = end;
  }
}

}  // namespace cordwood::kernels::avx512icl
