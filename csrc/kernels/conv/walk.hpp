// The way through a task: panels, rows, tiles of positions. `Product` (tiles.hpp, tiles_f32.hpp) is an
// Isa with a Task and tile<R, P>.
#pragma once

#include "kernels/conv/end.hpp"

namespace cordwood::kernels {
namespace {

/// Positions that share an address.
constexpr uint32_t kQuad = 4;

/// A tile's first sum.
struct Place {
  uint32_t row;
  uint32_t position;
  uint32_t output;
};

/// The first window of every fourth position.
template <uint32_t B, class Number>
[[gnu::always_inline]] inline void find_windows(const Number* x, const ConvWindows& windows,
                                                const Place& place,
                                                const Number* (&first)[B]) noexcept {
  uint32_t position = place.position;
  x += place.row * windows.row_stride;
#pragma GCC unroll 6
  for (uint32_t b = 0; b < B; ++b) {
    if (position == windows.n_positions) {
      position = 0;
      x += windows.row_stride;
    }
    first[b] = x + position * windows.position_stride;
    position += kQuad;
  }
}

template <class Isa, uint32_t R, uint32_t V, bool kIntegers, class Sums>
[[gnu::always_inline]] inline void finish_tile(const ConvEnd& end, const Sums (&sums)[R][V],
                                               uint32_t n_positions, const Place& place,
                                               const float* scales, float x_scale) noexcept {
  constexpr uint32_t kOutputs = Isa::kBytes / 4;
  uint32_t row = place.row;
  uint32_t position = place.position;
  for (uint32_t r = 0; r < R;) {
    const uint32_t left = n_positions - position;
    const uint32_t count = R - r < left ? R - r : left;
    const uint32_t whole = (end.n_outputs - place.output) / kOutputs;
    Columns columns{.sums = &sums[r][0],
                    .sum_bytes = V * sizeof(Sums),
                    .scales = kIntegers ? scales : nullptr,
                    .x_scale = x_scale,
                    .row = row,
                    .position = position,
                    .n_positions = count,
                    .output = place.output,
                    .n_whole = whole < V ? whole : V};
    if (columns.n_whole != 0) finish<Isa, kIntegers>(end, columns);
    if (whole < V && whole * kOutputs != end.n_outputs - place.output) {
      columns.sums = &sums[r][whole];
      columns.output += whole * kOutputs;
      if constexpr (kIntegers) columns.scales += whole * kOutputs;
      columns.n_whole = 0;
      finish<Isa, kIntegers>(end, columns);
    }
    r += count;
    ++row;
    position = 0;
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

/// Whether tiles go on from row to row: a single panel's, of many positions. With more panels a row of
/// a few positions fills a tile well enough, and endings that are cut cost more.
template <class Product, uint32_t P>
bool joins(const ConvWindows& windows) noexcept {
  return P == 1 && kMostPositions<Product, P> % kQuad == 0 && windows.n_positions % kQuad == 0;
}

/// All positions of all rows, in tiles as even as can be.
template <class Product, uint32_t P>
void run_panels(const typename Product::Task& task, uint32_t output) noexcept {
  const ConvWindows& windows = task.windows;
  const bool joined = joins<Product, P>(windows);
  // Endings take four positions at once.
  constexpr bool kQuads = kMostPositions<Product, P> % kQuad == 0;
  const uint32_t unit = kQuads && windows.n_positions % kQuad == 0 ? kQuad : 1;
  const uint32_t most = kMostPositions<Product, P> / unit;
  static_assert(kMostPositions<Product, P> <= 24);
  // A line is what tiles go on along, in units.
  const uint32_t n_lines = joined ? 1 : windows.n_rows;
  const uint32_t length = (joined ? windows.n_rows : 1) * (windows.n_positions / unit);
  const uint32_t n_tiles = (length + most - 1) / most;
  for (uint32_t line = 0; line < n_lines; ++line) {
    uint32_t at = 0;
    for (uint32_t tile = 0; tile < n_tiles; ++tile) {
      const uint32_t count = (length - at + n_tiles - tile - 1) / (n_tiles - tile);
      const uint32_t position = at * unit;
      const Place place{.row = line + position / windows.n_positions,
                        .position = position % windows.n_positions,
                        .output = output};
      kTiles<Product, P>[count * unit - 1](task, place);
      at += count;
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
