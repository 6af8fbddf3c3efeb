// How the rows of x86 walk through a product of bfloat16 pairs.
//
// A tile is a few rows by a panel, its sums in registers. A pair of inputs costs the panel's loads, a
// broadcast for each row, and a `dot` for each sum. So many pairs of a panel as stay in the first cache
// level pass all tiles before the next ones do; meanwhile each tile asks for its share of those. Isa is vectors
// with `kTileRows`, `dot`, and a `FlushMode` that lives while sums are added.
#pragma once

#include <cstdint>

#include "kernels/qmatmul/lanes.hpp"
#include "kernels/qmatmul/qmatmul_bf16.hpp"

namespace cordwood::kernels {
namespace {

constexpr uint64_t kPairBytes = kPanelOutputs * sizeof(uint32_t);
/// 32 KiB of weights.
constexpr uint64_t kCachedPairs = 256;
/// A single tile asks for weights so many bytes before it reads them: 1024 read 4096 x 4096 for 8 rows at
/// 238 GFLOP/s, 16384 at 413, 32768 at 320.
constexpr uint64_t kOneTileAhead = 16384;

/// Some pairs of a panel.
struct PairsPart {
  const uint8_t* weights;  ///< [pair][output]
  const uint8_t* ahead;    ///< of what comes next
  uint64_t ahead_step;     ///< bytes of it for a pair
  uint64_t first_pair;
  uint64_t n_pairs;
  float* sums;  ///< [row][output], of earlier pairs
};

/// R rows from `row` on.
template <class Isa, uint32_t R>
void run_pairs_tile(const QmatmulBf16& task, const PairsPart& part, uint32_t row) noexcept {
  using L = Lanes<Isa::kBytes>;
  using Floats = typename L::Floats;
  using Ints = typename L::Ints;
  constexpr uint32_t C = L::kVectors;
  const uint32_t* x = task.x + row * task.x_stride + part.first_pair;
  const uint8_t* weights = part.weights;
  const uint8_t* ahead = part.ahead;
  float* sums = part.sums + row * kPanelOutputs;
  Floats sum[R][C]{};
  if (part.first_pair != 0) {
#pragma GCC unroll 16
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (uint32_t c = 0; c < C; ++c) {
        sum[r][c] = load<Floats>(sums + r * kPanelOutputs + c * L::kOutputs);
      }
    }
  }
  for (uint64_t pair = 0; pair < part.n_pairs; ++pair) {
    Ints weight[C];
#pragma GCC unroll 4
    for (uint32_t c = 0; c < C; ++c) weight[c] = load<Ints>(weights + c * Isa::kBytes);
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + 64);
    ahead += part.ahead_step;
#pragma GCC unroll 16
    for (uint32_t r = 0; r < R; ++r) {
      const Ints own = Isa::spread_pair(x + r * task.x_stride);
#pragma GCC unroll 4
      for (uint32_t c = 0; c < C; ++c) sum[r][c] = Isa::dot(sum[r][c], own, weight[c]);
    }
    weights += kPairBytes;
    ++x;
  }
#pragma GCC unroll 16
  for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (uint32_t c = 0; c < C; ++c) {
      store(sums + r * kPanelOutputs + c * L::kOutputs, sum[r][c]);
    }
  }
}

using PairsTile = void (*)(const QmatmulBf16&, const PairsPart&, uint32_t) noexcept;

template <class Isa, uint32_t R>
constexpr PairsTile tile_of(uint32_t rows) noexcept {
  if constexpr (R == 0) {
    return nullptr;
  } else {
    return rows == R ? run_pairs_tile<Isa, R> : tile_of<Isa, R - 1>(rows);
  }
}

/// All rows, in tiles as even as can be: of two heights at most.
template <class Isa>
void run_pairs_part(const QmatmulBf16& task, PairsPart part) noexcept {
  const uint32_t n_tiles = (task.n_rows + Isa::kTileRows - 1) / Isa::kTileRows;
  const uint32_t low = task.n_rows / n_tiles;
  const uint32_t n_high = task.n_rows % n_tiles;
  const PairsTile low_tile = tile_of<Isa, Isa::kTileRows>(low);
  const PairsTile high_tile = tile_of<Isa, Isa::kTileRows>(low + 1);
  part.ahead_step = (kPairBytes + n_tiles - 1) / n_tiles;
  uint32_t row = 0;
  for (uint32_t tile = 0; tile < n_tiles; ++tile) {
    (tile < n_high ? high_tile : low_tile)(task, part, row);
    row += low + (tile < n_high ? 1 : 0);
    part.ahead += part.n_pairs * part.ahead_step;
  }
}

template <class Isa>
void add_panel(const QmatmulBf16& task, const uint8_t* weights) noexcept {
  [[maybe_unused]] const typename Isa::FlushMode mode;
  const bool one_tile = task.n_rows <= Isa::kTileRows;
  const uint64_t step = one_tile ? task.n_pairs : kCachedPairs;
  for (uint64_t first = 0; first < task.n_pairs; first += step) {
    const uint64_t left = task.n_pairs - first;
    const uint64_t count = left < step ? left : step;
    run_pairs_part<Isa>(task, {.weights = weights,
                               .ahead = weights + (one_tile ? kOneTileAhead : count * kPairBytes),
                               .ahead_step = 0,
                               .first_pair = first,
                               .n_pairs = count,
                               .sums = static_cast<float*>(task.scratch)});
    weights += count * kPairBytes;
  }
}

template <class Isa>
void run_pairs(const QmatmulBf16& task) noexcept {
  const auto* sums = static_cast<const float*>(task.scratch);
  for (uint64_t first = 0; first < task.end.n_outputs; first += kPanelOutputs) {
    add_panel<Isa>(task, task.panels + first / kPanelOutputs * task.panel_bytes);
    const uint64_t left = task.end.n_outputs - first;
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      finish<Isa>(task.end, nullptr, sums + uint64_t{row} * kPanelOutputs, row, first,
                  left < kPanelOutputs ? left : kPanelOutputs);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
