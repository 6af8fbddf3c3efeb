// sparse_matmul: rows of activations as the kinds want them, unsigned, and side by side for blocks.
#include "kernels/sparse_matmul/avx512icl_parts.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

__m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

/// 16 inputs of up to four rows, as unsigned codes.
__m512i load_rows(const SparseTile& task, uint32_t first, uint64_t input) noexcept {
  __m512i rows = _mm512_setzero_si512();
  const uint32_t count = task.n_rows <= first      ? 0
                         : task.n_rows - first < 4 ? task.n_rows - first
                                                   : 4;
  for (uint32_t row = 0; row < count; ++row) {
    const int8_t* from = task.codes + (first + row) * task.stride + input;
    rows = _mm512_mask_broadcast_i32x4(rows, static_cast<__mmask16>(15u << (4 * row)),
                                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  return _mm512_xor_si512(rows, _mm512_set1_epi8(-128));
}

void shift_row(const SparseTile& task) noexcept {
  const __m512i top = _mm512_set1_epi8(-128);
  for (uint64_t input = 0; input < task.n_inputs; input += 64) {
    _mm512_storeu_si512(task.tile + input, _mm512_xor_si512(load(task.codes + input), top));
  }
}

/// Bytes of four rows by 16 inputs, brought together so that unpacking leaves inputs ascending:
/// piece p of 16 holds the four rows of one input.
__m512i turn_order(uint32_t lanes) noexcept {
  alignas(64) uint8_t order[64];
  for (uint32_t piece = 0; piece < 16; ++piece) {
    const uint32_t quarter = piece / 4;
    const uint32_t within = piece % 4;
    const uint32_t input =
        lanes == 16 ? 4 * within + quarter : 8 * (within / 2) + 2 * quarter + within % 2;
    for (uint32_t row = 0; row < 4; ++row) {
      order[4 * piece + row] = static_cast<uint8_t>(16 * row + input);
    }
  }
  return load(order);
}

void turn_8(const SparseTile& task) noexcept {
  const __m512i order = turn_order(8);
  for (uint64_t input = 0; input < task.n_inputs; input += 16) {
    const __m512i first = _mm512_permutexvar_epi8(order, load_rows(task, 0, input));
    const __m512i second = _mm512_permutexvar_epi8(order, load_rows(task, 4, input));
    _mm512_storeu_si512(task.tile + input * 8, _mm512_unpacklo_epi32(first, second));
    _mm512_storeu_si512(task.tile + input * 8 + 64, _mm512_unpackhi_epi32(first, second));
  }
}

/// 16 inputs of 16 rows: four registers of four inputs each.
struct Turned {
  __m512i fours[4];
};

[[gnu::always_inline]] inline Turned turn_16(const SparseTile& task, uint32_t first, uint64_t input,
                                             __m512i order) noexcept {
  __m512i four[4];
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) {
    four[i] = _mm512_permutexvar_epi8(order, load_rows(task, first + 4 * i, input));
  }
  const __m512i low01 = _mm512_unpacklo_epi32(four[0], four[1]);
  const __m512i high01 = _mm512_unpackhi_epi32(four[0], four[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(four[2], four[3]);
  const __m512i high23 = _mm512_unpackhi_epi32(four[2], four[3]);
  return {{_mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
           _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)}};
}

void turn_32(const SparseTile& task) noexcept {
  const __m512i order = turn_order(16);
  const __m512i lower = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i upper = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (uint64_t input = 0; input < task.n_inputs; input += 16) {
    const Turned low = turn_16(task, 0, input, order);
    const Turned high = turn_16(task, 16, input, order);
    uint8_t* to = task.tile + input * 32;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
      _mm512_storeu_si512(to + 128 * i,
                          _mm512_permutex2var_epi64(low.fours[i], lower, high.fours[i]));
      _mm512_storeu_si512(to + 128 * i + 64,
                          _mm512_permutex2var_epi64(low.fours[i], upper, high.fours[i]));
    }
  }
}

/// Up to four rows: bytes widened and shifted into their places.
void turn_4(const SparseTile& task) noexcept {
  const __m512i top = _mm512_set1_epi8(-128);
  for (uint64_t input = 0; input < task.n_inputs; input += 16) {
    __m512i words = _mm512_setzero_si512();
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      const __m128i own =
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(task.codes + row * task.stride + input));
      words = _mm512_or_si512(words, _mm512_slli_epi32(_mm512_cvtepu8_epi32(own), 8 * row));
    }
    _mm512_storeu_si512(task.tile + input * 4, _mm512_xor_si512(words, top));
  }
}

}  // namespace

void sparse_rows_s8(const SparseTile& task) noexcept {
  switch (task.lanes) {
    case 1:
      return shift_row(task);
    case 4:
      return turn_4(task);
    case 8:
      return turn_8(task);
    default:
      return turn_32(task);
  }
}

}  // namespace cordwood::kernels::avx512icl
