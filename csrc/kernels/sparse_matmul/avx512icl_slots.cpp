// sparse_matmul, slots: each lane picks four inputs of 64 by a byte permute.
//
// A row takes one load, one permute and one multiply-add for a slot of 16 outputs; weights and
// positions are 128 bytes, an eighth of the dense bytes of a window.
#include <immintrin.h>

#include "kernels/sparse_matmul/avx512icl_parts.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr uint32_t kTileRows = 16;
constexpr uint64_t kAheadBytes = 1024;

__m512i load(const void* from) noexcept {
  return _mm512_loadu_si512(from);
}

void ask_ahead(const uint8_t* slot) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(slot + kAheadBytes), _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(slot + kAheadBytes + 64), _MM_HINT_T0);
}

template <uint32_t R>
void run_tile(const SparseMatmul& task, uint64_t group, uint32_t row) noexcept {
  const SparseWeights& weights = task.weights;
  const uint64_t stride = task.rows.stride;
  const uint8_t* codes = task.rows.codes + row * stride;
  const uint8_t* counts = weights.counts + group * weights.n_parts;
  const uint8_t* slot = weights.codes + weights.starts[group] * kSlotBytes;
  i32x16 sums[R];
#pragma GCC unroll 16
  for (uint32_t r = 0; r < R; ++r) sums[r] = offsets_of(weights, group * kSparseGroup);
  for (uint64_t window = 0; window < weights.n_parts; ++window) {
    for (uint32_t left = counts[window]; left > 0; --left) {
      const __m512i own = load(slot);
      const __m512i positions = load(slot + 64);
      ask_ahead(slot);
#pragma GCC unroll 16
      for (uint32_t r = 0; r < R; ++r) {
        const __m512i inputs = _mm512_permutexvar_epi8(positions, load(codes + r * stride));
        sums[r] = add_products(sums[r], inputs, own);
      }
      slot += kSlotBytes;
    }
    codes += kWindowInputs;
  }
#pragma GCC unroll 16
  for (uint32_t r = 0; r < R; ++r) finish_group(task, sums[r], row + r, group * kSparseGroup);
}

using Tile = void (*)(const SparseMatmul&, uint64_t group, uint32_t row) noexcept;

constexpr Tile kTiles[] = {nullptr,      run_tile<1>,  run_tile<2>,  run_tile<3>,  run_tile<4>,
                           run_tile<5>,  run_tile<6>,  run_tile<7>,  run_tile<8>,  run_tile<9>,
                           run_tile<10>, run_tile<11>, run_tile<12>, run_tile<13>, run_tile<14>,
                           run_tile<15>, run_tile<16>};

}  // namespace

void sparse_slots_s8(const SparseMatmul& task) noexcept {
  const uint32_t n_rows = task.rows.n_rows;
  const uint32_t n_tiles = (n_rows + kTileRows - 1) / kTileRows;
  const uint64_t n_groups = (task.end.n_outputs + kSparseGroup - 1) / kSparseGroup;
  for (uint64_t group = 0; group < n_groups; ++group) {
    uint32_t row = 0;
    for (uint32_t tile = 0; tile < n_tiles; ++tile) {  // as even as can be
      const uint32_t count = (n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
      kTiles[count](task, group, row);
      row += count;
    }
  }
}

}  // namespace cordwood::kernels::avx512icl
