// The way through a task: panels, rows, tiles of positions. `Product` (tiles.hpp, tiles_f32.hpp) is an
// Isa with a Task and tile<R, P>.
#pragma once

#include "kernels/conv/end.hpp"

namespace cordwood::kernels {
namespace {

/// A tile's first sum.
struct Place {
  uint32_t row;
  uint32_t position;
  uint32_t output;
};

template <class Isa, uint32_t R, uint32_t V, bool kIntegers, class Sums>
[[gnu::always_inline]] inline void finish_tile(const ConvEnd& end, const Sums (&sums)[R][V],
                                               const Place& place, const float* scales,
                                               float x_scale) noexcept {
  constexpr uint32_t kOutputs = Isa::kBytes / 4;
  for (uint32_t v = 0; v < V; ++v) {
    const uint32_t output = place.output + v * kOutputs;
    if (output >= end.n_outputs) return;
    finish<Isa, kIntegers>(end, {.sums = &sums[0][v],
                                 .sum_bytes = V * sizeof(Sums),
                                 .scales = kIntegers ? scales + v * kOutputs : nullptr,
                                 .x_scale = x_scale,
                                 .row = place.row,
                                 .position = place.position,
                                 .n_positions = R,
                                 .output = output});
  }
}

template <class Product>
using Tile = void (*)(const typename Product::Task&, const Place&) noexcept;

/// Positions of a tile of P panels at most; 0 where P are too many.
template <class Product, uint32_t P>
constexpr uint32_t kMostPositions = Product::kMostSums / (P * kConvOutputs * 4 / Product::kBytes);

template <class Product, uint32_t P, uint32_t R>
constexpr Tile<Product> kTile =
    Product::template tile<(R <= kMostPositions<Product, P> ? R : 1), P>;

template <class Product, uint32_t P>
constexpr Tile<Product> kTiles[] = {
    kTile<Product, P, 1>,  kTile<Product, P, 2>,  kTile<Product, P, 3>,  kTile<Product, P, 4>,
    kTile<Product, P, 5>,  kTile<Product, P, 6>,  kTile<Product, P, 7>,  kTile<Product, P, 8>,
    kTile<Product, P, 9>,  kTile<Product, P, 10>, kTile<Product, P, 11>, kTile<Product, P, 12>,
    kTile<Product, P, 13>, kTile<Product, P, 14>, kTile<Product, P, 15>, kTile<Product, P, 16>,
    kTile<Product, P, 17>, kTile<Product, P, 18>, kTile<Product, P, 19>, kTile<Product, P, 20>,
    kTile<Product, P, 21>, kTile<Product, P, 22>, kTile<Product, P, 23>, kTile<Product, P, 24>};

/// All positions of all rows, in tiles as even as can be.
template <class Product, uint32_t P>
void run_panels(const typename Product::Task& task, uint32_t output) noexcept {
  constexpr uint32_t kMost = kMostPositions<Product, P>;
  static_assert(kMost >= 1 && kMost <= 24);
  const uint32_t n_positions = task.windows.n_positions;
  const uint32_t n_tiles = (n_positions + kMost - 1) / kMost;
  for (uint32_t row = 0; row < task.windows.n_rows; ++row) {
    uint32_t position = 0;
    for (uint32_t tile = 0; tile < n_tiles; ++tile) {
      const uint32_t count = (n_positions - position + n_tiles - tile - 1) / (n_tiles - tile);
      kTiles<Product, P>[count - 1](task, {row, position, output});
      position += count;
    }
  }
}

template <class Product>
void run_conv(const typename Product::Task& task) noexcept {
  const uint32_t n_panels = (task.end.n_outputs + kConvOutputs - 1) / kConvOutputs;
  uint32_t panel = 0;
  if constexpr (kMostPositions<Product, 4> >= 4) {
    // Short rows: more panels keep as many sums at work.
    if (task.windows.n_positions <= kMostPositions<Product, 4>) {
      for (; panel + 4 <= n_panels; panel += 4) run_panels<Product, 4>(task, panel * kConvOutputs);
    }
  }
  if constexpr (kMostPositions<Product, 2> >= 4) {
    for (; panel + 2 <= n_panels; panel += 2) run_panels<Product, 2>(task, panel * kConvOutputs);
  }
  for (; panel < n_panels; ++panel) run_panels<Product, 1>(task, panel * kConvOutputs);
}

}  // namespace
}  // namespace cordwood::kernels
