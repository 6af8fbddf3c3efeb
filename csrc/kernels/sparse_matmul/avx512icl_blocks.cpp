// sparse_matmul, blocks: sums of 16 outputs for a tile of rows that lie side by side.
//
// Lanes are rows. Eight kept inputs of 16 rows are eight loads of 16 bytes, put together by masked
// loads and brought into the order [row][input] by one byte permute for each four; a multiply-add then
// takes one output's weights from memory, for all rows. Loads bind: 24 for 32 multiply-adds, two of
// either a cycle, and the permutes on the way. With 8 rows a register holds both fours of a row, so
// that 16 multiply-adds do it. One or two rows are not turned: lanes are outputs, and the eight bytes
// of a row are gathered in a general register.
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

/// Four inputs of 16 rows, [row][input].
[[gnu::always_inline]] inline __m512i four_of_16(const uint8_t* tile, const uint16_t* inputs,
                                                 __m512i order) noexcept {
  const auto rows = [&](uint32_t i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(tile + uint64_t{inputs[i]} * 16));
  };
  __m512i four = _mm512_castsi128_si512(rows(0));
  four = _mm512_mask_broadcast_i32x4(four, 0x00F0, rows(1));
  four = _mm512_mask_broadcast_i32x4(four, 0x0F00, rows(2));
  four = _mm512_mask_broadcast_i32x4(four, 0xF000, rows(3));
  return _mm512_permutexvar_epi8(order, four);
}

/// Eight inputs of 8 rows, [row][input].
[[gnu::always_inline]] inline __m512i eight_of_8(const uint8_t* tile, const uint16_t* inputs,
                                                 __m512i order) noexcept {
  const auto rows = [&](uint32_t i) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(tile + uint64_t{inputs[i]} * 8));
  };
  __m512i low = _mm512_castsi128_si512(rows(0));
  __m512i high = _mm512_maskz_broadcastq_epi64(0x10, rows(4));
  low = _mm512_mask_broadcastq_epi64(low, 0x02, rows(1));
  high = _mm512_mask_broadcastq_epi64(high, 0x20, rows(5));
  low = _mm512_mask_broadcastq_epi64(low, 0x04, rows(2));
  high = _mm512_mask_broadcastq_epi64(high, 0x40, rows(6));
  low = _mm512_mask_broadcastq_epi64(low, 0x08, rows(3));
  high = _mm512_mask_broadcastq_epi64(high, 0x80, rows(7));
  return _mm512_permutexvar_epi8(order, _mm512_mask_blend_epi64(0xF0, low, high));
}

/// Byte order that makes [input][row] of 64 bytes [row][input].
__m512i turned(uint32_t n_rows) noexcept {
  alignas(64) uint8_t order[64];
  const uint32_t n_inputs = 64 / n_rows;
  for (uint32_t i = 0; i < 64; ++i) {
    order[i] = static_cast<uint8_t>(i % n_inputs * n_rows + i / n_inputs);
  }
  return load(order);
}

__m512i one_output(const uint8_t* weights) noexcept {
  int32_t word;
  std::memcpy(&word, weights, sizeof word);
  return _mm512_set1_epi32(word);
}

__m512i one_output_twice(const uint8_t* weights) noexcept {
  int64_t word;
  std::memcpy(&word, weights, sizeof word);
  return _mm512_set1_epi64(word);
}

void finish_rows(const SparseMatmul& task, const i32x16* sums, uint32_t first, uint32_t count,
                 uint64_t output) noexcept {
  const i32x16 offsets = offsets_of(task.weights, output);
  for (uint32_t row = 0; row < count; ++row) {
    finish_group(task, sums[row] + offsets, first + row, output);
  }
}

void run_16(const SparseMatmul& task, uint64_t group, uint32_t tile, __m512i order) noexcept {
  const uint8_t* codes = task.rows.codes + uint64_t{tile} * 16 * task.rows.stride;
  Eights eights = eights_of(task.weights, group);
  i32x16 sums[16];
#pragma GCC unroll 16
  for (uint32_t o = 0; o < 16; ++o) sums[o] = i32x16{};
  for (; eights.count > 0; --eights.count) {
    const __m512i first = four_of_16(codes, eights.inputs, order);
    const __m512i second = four_of_16(codes, eights.inputs + 4, order);
    ask_ahead(eights.weights);
#pragma GCC unroll 16
    for (uint32_t o = 0; o < 16; ++o) {
      sums[o] = add_products(sums[o], first, one_output(eights.weights + 8 * o));
    }
#pragma GCC unroll 16
    for (uint32_t o = 0; o < 16; ++o) {
      sums[o] = add_products(sums[o], second, one_output(eights.weights + 8 * o + 4));
    }
    eights.weights += kEightBytes;
    eights.inputs += 8;
  }
  transpose(sums);
  const uint32_t left = task.rows.n_rows - 16 * tile;
  finish_rows(task, sums, 16 * tile, left < 16 ? left : 16, group * kSparseGroup);
}

void run_8(const SparseMatmul& task, uint64_t group, uint32_t tile, __m512i order) noexcept {
  const uint8_t* codes = task.rows.codes + uint64_t{tile} * 8 * task.rows.stride;
  Eights eights = eights_of(task.weights, group);
  i32x16 sums[16];
#pragma GCC unroll 16
  for (uint32_t o = 0; o < 16; ++o) sums[o] = i32x16{};
  for (; eights.count > 0; --eights.count) {
    const __m512i inputs = eight_of_8(codes, eights.inputs, order);
    ask_ahead(eights.weights);
#pragma GCC unroll 16
    for (uint32_t o = 0; o < 16; ++o) {
      sums[o] = add_products(sums[o], inputs, one_output_twice(eights.weights + 8 * o));
    }
    eights.weights += kEightBytes;
    eights.inputs += 8;
  }
  transpose(sums);
#pragma GCC unroll 8
  for (uint32_t row = 0; row < 8; ++row) sums[row] = sums[2 * row] + sums[2 * row + 1];
  const uint32_t left = task.rows.n_rows - 8 * tile;
  finish_rows(task, sums, 8 * tile, left < 8 ? left : 8, group * kSparseGroup);
}

/// Eight bytes of one row, gathered.
[[gnu::always_inline]] inline __m512i eight_of_1(const uint8_t* row,
                                                 const uint16_t* inputs) noexcept {
  uint64_t bytes = 0;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 8; ++i) bytes |= uint64_t{row[inputs[i]]} << (8 * i);
  return _mm512_set1_epi64(static_cast<int64_t>(bytes));
}

void run_1(const SparseMatmul& task, uint64_t group, uint32_t row, __m512i) noexcept {
  const uint8_t* codes = task.rows.codes + row * task.rows.stride;
  Eights eights = eights_of(task.weights, group);
  i32x16 low{};
  i32x16 high{};
  for (; eights.count > 0; --eights.count) {
    const __m512i inputs = eight_of_1(codes, eights.inputs);
    ask_ahead(eights.weights);
    low = add_products(low, inputs, load(eights.weights));
    high = add_products(high, inputs, load(eights.weights + 64));
    eights.weights += kEightBytes;
    eights.inputs += 8;
  }
  // Even and odd lanes are the two fours of an output.
  alignas(64) uint32_t even[16];
  for (uint32_t lane = 0; lane < 16; ++lane) even[lane] = 2 * lane;
  const __m512i first = load(even);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(1));
  const auto pick = [&](__m512i lanes) {
    return reinterpret_cast<i32x16>(_mm512_permutex2var_epi32(reinterpret_cast<__m512i>(low), lanes,
                                                              reinterpret_cast<__m512i>(high)));
  };
  const i32x16 sum = pick(first) + pick(second);
  finish_rows(task, &sum, row, 1, group * kSparseGroup);
}

using Tile = void (*)(const SparseMatmul&, uint64_t group, uint32_t tile, __m512i order) noexcept;

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
  const uint32_t n_tiles = (task.rows.n_rows + lanes - 1) / lanes;
  const Tile run = lanes == 1 ? run_1 : lanes == 8 ? run_8 : run_16;
  const __m512i order = turned(lanes == 1 ? 16 : lanes);
  for (uint64_t group = 0; group < n_groups;) {
    const uint64_t end = chunk_end(task.weights, group, n_groups);
    for (uint32_t tile = 0; tile < n_tiles; ++tile) {
      for (uint64_t own = group; own < end; ++own) run(task, own, tile, order);
    }
    group = end;
  }
}

}  // namespace cordwood::kernels::avx512icl
