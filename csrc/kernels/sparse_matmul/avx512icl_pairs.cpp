// sparse_matmul, pairs: a tile of rows by 32 outputs stays in registers.
//
// A slot of a tile is two loads of weights, two shifts and two logic operations for positions, and a
// row takes one broadcast of eight activations, two byte shuffles and two multiply-adds: half the
// multiply-adds of a dense product and as many shuffles, which have a port that multiply-adds lack.
// Weights are 62.5 % of the dense bytes: for few rows memory binds and that is the gain.
#include <immintrin.h>

#include <cstring>

#include "kernels/sparse_matmul/avx512icl_parts.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr uint32_t kTileRows = 8;
/// Weights are asked for so far ahead: the processor's own streams end with a page.
constexpr uint64_t kAheadBytes = 1280;

struct Pair {
  i32x16 low;   // outputs 0 to 15
  i32x16 high;  // outputs 16 to 31
};

__m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

__m512i eight_inputs(const uint8_t* codes) noexcept {
  int64_t word;
  std::memcpy(&word, codes, sizeof word);
  return _mm512_set1_epi64(word);
}

void ask_ahead(const uint8_t* quad) noexcept {
#pragma GCC unroll 10
  for (uint32_t line = 0; line < kQuadBytes; line += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(quad + kAheadBytes + line), _MM_HINT_T0);
  }
}

/// Positions of one slot: two bits, and four more for the upper half of a lane's bytes.
__m512i slot_order(__m512i positions, uint32_t slot) noexcept {
  const __m512i three = _mm512_set1_epi8(3);
  const __m512i upper = _mm512_set1_epi32(0x04040000);
  constexpr int kAndOr = 0xEA;  // (a & b) | c
  return _mm512_ternarylogic_epi64(_mm512_srli_epi16(positions, 2 * slot), three, upper, kAndOr);
}

template <uint32_t R>
void run_tile(const SparseMatmul& task, const uint8_t* quad, uint64_t output,
              uint32_t row) noexcept {
  constexpr uint32_t kChains = R <= 2 ? 2 : 1;  // fewer sums would wait for one another
  const uint64_t stride = task.rows.stride;
  const uint8_t* codes = task.rows.codes + row * stride;
  Pair sums[kChains][R]{};
#pragma GCC unroll 8
  for (uint32_t r = 0; r < R; ++r) {
    sums[0][r] = {offsets_of(task.weights, output), offsets_of(task.weights, output + 16)};
  }
  for (uint64_t left = task.weights.n_parts; left > 0; --left) {
    const __m512i low_positions = load(quad);
    const __m512i high_positions = load(quad + 64);
    ask_ahead(quad);
#pragma GCC unroll 4
    for (uint32_t slot = 0; slot < 4; ++slot) {
      const __m512i low = load(quad + 128 + 128 * slot);
      const __m512i high = load(quad + 192 + 128 * slot);
      const __m512i low_order = slot_order(low_positions, slot);
      const __m512i high_order = slot_order(high_positions, slot);
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) {
        const __m512i inputs = eight_inputs(codes + r * stride + 8 * slot);
        Pair& sum = sums[slot % kChains][r];
        sum.low = add_products(sum.low, _mm512_shuffle_epi8(inputs, low_order), low);
        sum.high = add_products(sum.high, _mm512_shuffle_epi8(inputs, high_order), high);
      }
    }
    quad += kQuadBytes;
    codes += kQuadInputs;
  }
#pragma GCC unroll 8
  for (uint32_t r = 0; r < R; ++r) {
    Pair sum = sums[0][r];
    if constexpr (kChains == 2) sum = {sum.low + sums[1][r].low, sum.high + sums[1][r].high};
    finish_group(task, sum.low, row + r, output);
    finish_group(task, sum.high, row + r, output + 16);
  }
}

using Tile = void (*)(const SparseMatmul&, const uint8_t* quad, uint64_t output,
                      uint32_t row) noexcept;

constexpr Tile kTiles[] = {nullptr,     run_tile<1>, run_tile<2>, run_tile<3>, run_tile<4>,
                           run_tile<5>, run_tile<6>, run_tile<7>, run_tile<8>};

}  // namespace

void sparse_pairs_s8(const SparseMatmul& task) noexcept {
  const uint32_t n_rows = task.rows.n_rows;
  const uint32_t n_tiles = (n_rows + kTileRows - 1) / kTileRows;
  const uint8_t* panel = task.weights.codes;
  for (uint64_t output = 0; output < task.end.n_outputs; output += kSparsePanel) {
    uint32_t row = 0;
    for (uint32_t tile = 0; tile < n_tiles; ++tile) {  // as even as can be
      const uint32_t count = (n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
      kTiles[count](task, panel, output, row);
      row += count;
    }
    panel += task.weights.n_parts * kQuadBytes;
  }
}

}  // namespace cordwood::kernels::avx512icl
