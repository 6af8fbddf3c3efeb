// How rows of 16- and 32-byte vectors walk through a product: panels, groups, tiles of rows. The
// instruction set brings its vectors and one loop, the sums of a group:
//
//     struct Isa {
//       kBytes, spread, fma, widen               // of its vectors: avx2.hpp, neon.hpp
//       static constexpr uint32_t kTileRows;     // rows of a tile at most
//       static constexpr uint32_t kWholeRows;    // of one as wide as a panel; above, half of it
//       static constexpr uint32_t kNibbleRows;   // so many take 4-bit weights as they are stored
//       static constexpr bool kSigned;           // multiplies code - 128
//       static constexpr bool kAffine;           // activations have zero points
//       template <R, C> static void dot(steps, n_steps, codes, stride, Ints (&sums)[R][C]);
//       template <R, C> static void dot_nibbles(the same);  // unless kNibbleRows is 0
//     };
//
// A tile is R rows by C vectors of outputs: a whole panel, whose weights then pass in one stream, or
// half of it where more rows to a weight count for more. Its integers stay in registers for a group,
// its floats in L1: a load, convert, fma and store for each sum, against 16 multiply-adds where groups
// have 64 inputs. Weights of fewer than 8 bits are expanded to bytes in L1, once for all rows; where
// rows are few, 4-bit ones are taken apart in registers.
#pragma once

#include <cstdint>

#include "kernels/qmatmul/group_sums.hpp"
#include "kernels/qmatmul/lanes.hpp"
#include "kernels/qmatmul/unpack.hpp"

namespace cordwood::kernels {
namespace {

/// Consecutive groups of a panel whose weights are at hand.
struct Chunk {
  const uint8_t* steps;  ///< bytes, or as stored where `nibbles`
  const float* scales;
  const uint8_t* zeros;  ///< null where symmetric
  const int32_t* columns;
  float* sums;  ///< [row][output], of earlier groups
  uint64_t first_input;
  uint32_t first_group;
  uint32_t n_groups;
  uint32_t group_steps;  ///< of every group but the last of the chunk
  uint32_t last_steps;
  bool nibbles;
};

template <class Isa, uint32_t R, uint32_t C>
[[gnu::always_inline]] inline void add_group(
    bool nibbles, const uint8_t* steps, uint32_t n_steps, const int8_t* codes, uint64_t stride,
    typename Lanes<Isa::kBytes>::Ints (&whole)[R][C]) noexcept {
  if constexpr (R <= Isa::kNibbleRows) {
    if (nibbles) return Isa::template dot_nibbles<R, C>(steps, n_steps, codes, stride, whole);
  }
  Isa::template dot<R, C>(steps, n_steps, codes, stride, whole);
}

/// R rows from `row` on through a chunk.
template <class Isa, uint32_t R>
void run_tile(const Qmatmul& task, const Chunk& chunk, uint32_t row) noexcept {
  using L = Lanes<Isa::kBytes>;
  constexpr uint32_t C = L::kVectors / (R > Isa::kWholeRows ? 2 : 1);
  const QmatmulRows& rows = task.rows;
  const uint32_t all_groups = task.weights.n_groups;
  const uint64_t step_bytes = chunk.nibbles ? kStepBytes / 2 : kStepBytes;
  for (uint32_t part = 0; part < L::kVectors / C; ++part) {
    const uint32_t output = part * C * L::kOutputs;
    const uint8_t* steps = chunk.steps + output * kStepInputs;
    const int8_t* codes = rows.codes + row * rows.code_stride + chunk.first_input;
    for (uint32_t g = 0; g < chunk.n_groups; ++g) {
      const uint32_t n_steps = g + 1 == chunk.n_groups ? chunk.last_steps : chunk.group_steps;
      const uint64_t place = g * kPanelOutputs + output;
      const uint8_t* zeros = chunk.zeros != nullptr ? chunk.zeros + place : nullptr;
      const uint64_t first = uint64_t{row} * all_groups + chunk.first_group + g;
      typename L::Ints whole[R][C];
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (uint32_t c = 0; c < C; ++c) {
          whole[r][c] = start_sums<Isa>(rows.sums[first + r * all_groups],
                                        zeros != nullptr ? zeros + c * L::kOutputs : nullptr) -
                        take_zero<Isa>(rows, row + r, first + r * all_groups,
                                       chunk.columns + place + c * L::kOutputs);
        }
      }
      add_group<Isa>(chunk.nibbles, steps, n_steps, codes, rows.code_stride, whole);
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) {
        add_scaled<Isa, C>(whole[r], chunk.scales + place,
                           rows.group_scales != 0 ? rows.scales + first + r * all_groups : nullptr,
                           chunk.first_group + g == 0,
                           chunk.sums + (row + r) * kPanelOutputs + output);
      }
      steps += n_steps * step_bytes;
      codes += uint64_t{n_steps} * kStepInputs;
    }
  }
}

/// All rows, in tiles as even as can be.
template <class Isa>
void run_chunk(const Qmatmul& task, const Chunk& chunk) noexcept {
  using Tile = void (*)(const Qmatmul&, const Chunk&, uint32_t) noexcept;
  static constexpr Tile kTiles[] = {
      run_tile<Isa, 1>,
      run_tile<Isa, 2>,
      run_tile<Isa, (Isa::kTileRows >= 3 ? 3 : 1)>,
      run_tile<Isa, (Isa::kTileRows >= 4 ? 4 : 1)>,
      run_tile<Isa, (Isa::kTileRows >= 5 ? 5 : 1)>,
      run_tile<Isa, (Isa::kTileRows >= 6 ? 6 : 1)>,
  };
  static_assert(Isa::kTileRows >= 2 && Isa::kTileRows <= 6);
  const uint32_t n_rows = task.rows.n_rows;
  const uint32_t n_tiles = (n_rows + Isa::kTileRows - 1) / Isa::kTileRows;
  uint32_t row = 0;
  for (uint32_t tile = 0; tile < n_tiles; ++tile) {
    const uint32_t count = (n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
    kTiles[count - 1](task, chunk, row);
    row += count;
  }
}

template <class Isa>
void run_panel(const Qmatmul& task, uint64_t panel) noexcept {
  const QmatmulWeights& weights = task.weights;
  auto* sums = static_cast<float*>(task.scratch);
  auto* expanded = reinterpret_cast<uint8_t*>(sums + uint64_t{task.rows.n_rows} * kPanelOutputs);
  const bool nibbles = weights.bits == 4 && task.rows.n_rows <= Isa::kNibbleRows;
  const bool expands = weights.bits != 8 && !nibbles;
  const uint32_t fit = kExpandSteps / weights.group_steps;
  const uint32_t at_hand = !expands ? weights.n_groups : fit > 1 ? fit : 1;
  const uint8_t* steps = weights.panels + panel * weights.panel_bytes;
  uint64_t first_input = 0;
  for (uint64_t group = 0; group < weights.n_groups; group += at_hand) {
    const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs;
    const uint64_t left = weights.n_groups - group;
    const auto n_groups = static_cast<uint32_t>(left < at_hand ? left : at_hand);
    const uint32_t last_steps = left <= at_hand ? weights.last_steps : weights.group_steps;
    const uint32_t n_steps = (n_groups - 1) * weights.group_steps + last_steps;
    if (expands) expand<Isa::kBytes>(steps, weights.bits, n_steps, expanded);
    run_chunk<Isa>(task, {.steps = expands ? expanded : steps,
                          .scales = weights.scales + at,
                          .zeros = weights.zeros != nullptr ? weights.zeros + at : nullptr,
                          .columns = weights.columns + at,
                          .sums = sums,
                          .first_input = first_input,
                          .first_group = static_cast<uint32_t>(group),
                          .n_groups = n_groups,
                          .group_steps = weights.group_steps,
                          .last_steps = last_steps,
                          .nibbles = nibbles});
    steps += uint64_t{n_steps} * kStepBytes * weights.bits / 8;
    first_input += uint64_t{n_steps} * kStepInputs;
  }
  const uint64_t first = panel * kPanelOutputs;
  const uint64_t left = task.end.n_outputs - first;
  for (uint32_t row = 0; row < task.rows.n_rows; ++row) {
    finish<Isa>(task.end, task.rows.group_scales != 0 ? nullptr : task.rows.scales + row,
                sums + uint64_t{row} * kPanelOutputs, row, first,
                left < kPanelOutputs ? left : kPanelOutputs);
  }
}

/// The same vectors for activations with zero points.
template <class Isa>
struct Affine : Isa {
  static constexpr bool kAffine = true;
};

template <class Isa>
void run_panels(const Qmatmul& task) noexcept {
  const uint64_t n_panels = (task.end.n_outputs + kPanelOutputs - 1) / kPanelOutputs;
  for (uint64_t panel = 0; panel < n_panels; ++panel) run_panel<Isa>(task, panel);
}

}  // namespace
}  // namespace cordwood::kernels
