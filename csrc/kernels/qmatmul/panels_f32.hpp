// How rows of 16- and 32-byte vectors walk through a product with float32 activations.
//
// A tile is 3 rows by a panel, so that weights pass in one stream; its sums stay in registers. An input
// costs the vectors' loads, a broadcast for each row, and an fma for each sum: the fma bind.
// Weights that are not float32 become so in L1, 128 inputs at a time, once for all rows. Isa is the
// vectors of avx2.hpp or neon.hpp with `from_float16`.
#pragma once

#include <cstdint>

#include "kernels/qmatmul/lanes.hpp"
#include "kernels/qmatmul/qmatmul_f32.hpp"
#include "kernels/qmatmul/unpack.hpp"

namespace cordwood::kernels {
namespace {

constexpr uint32_t kTileRows = 3;
/// Inputs of float32 weights for several tiles: 64 KiB of them stay in L2 beside the rows' own.
constexpr uint64_t kDirectInputs = 512;

/// Inputs of a panel as float32.
struct Part {
  const float* weights;  ///< [input][output]
  uint64_t first_input;
  uint64_t n_inputs;
  float* sums;  ///< [row][output], of earlier inputs
};

/// Codes of a panel's inputs to float32. Inputs begin and end with a step.
template <class Isa>
void expand_codes(const QmatmulWeights& weights, uint64_t panel, uint64_t first, uint64_t count,
                  float* numbers) noexcept {
  using L = Lanes<Isa::kBytes>;
  using Ints = typename L::Ints;
  using Floats = typename L::Floats;
  const uint8_t* steps = weights.panels + panel * weights.panel_bytes;
  for (uint64_t step = first / kStepInputs; step < (first + count) / kStepInputs; ++step) {
    const uint64_t group = step / weights.group_steps;
    float* to = numbers + (step * kStepInputs - first) * kPanelOutputs;
    for (uint64_t output = 0; output < kPanelOutputs; output += L::kOutputs) {
      const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs + output;
      const auto scale = load<Floats>(weights.scales + at);
      const Ints zero = weights.zeros == nullptr ? Ints{} + (1 << (weights.bits - 1))
                                                 : Isa::widen(weights.zeros + at);
      const auto codes = reinterpret_cast<Ints>(
          codes_of<typename L::Words>(steps + output * kStepInputs, weights.bits, step));
#pragma GCC unroll 4
      for (int32_t input = 0; input < static_cast<int32_t>(kStepInputs); ++input) {
        const Ints whole = ((codes >> (8 * input)) & 255) - zero;
        store(to + static_cast<uint32_t>(input) * kPanelOutputs + output,
              __builtin_convertvector(whole, Floats) * scale);
      }
    }
  }
}

/// float16 of a panel's inputs to float32.
template <class Isa>
void expand_float16(const uint8_t* halves, uint64_t count, float* numbers) noexcept {
  using L = Lanes<Isa::kBytes>;
  for (uint64_t at = 0; at < count * kPanelOutputs; at += L::kOutputs) {
    ask_ahead(halves + 2 * at);
    store(numbers + at, Isa::from_float16(halves + 2 * at));
  }
}

/// bfloat16 of a panel's pairs of inputs to float32.
template <class Isa>
void expand_bfloat16(const uint8_t* pairs, uint64_t n_pairs, float* numbers) noexcept {
  using L = Lanes<Isa::kBytes>;
  using Ints = typename L::Ints;
  for (uint64_t pair = 0; pair < n_pairs; ++pair) {
    for (uint64_t output = 0; output < kPanelOutputs; output += L::kOutputs) {
      ask_ahead(pairs);
      const auto both = load<Ints>(pairs);
      store(numbers + output, both << 16);
      store(numbers + output + kPanelOutputs, both & static_cast<int32_t>(0xFFFF0000u));
      pairs += Isa::kBytes;
    }
    numbers += 2 * uint64_t{kPanelOutputs};
  }
}

/// R rows from `row` on.
template <class Isa, uint32_t R>
void run_tile(const QmatmulF32& task, const Part& part, uint32_t row) noexcept {
  using L = Lanes<Isa::kBytes>;
  using Floats = typename L::Floats;
  constexpr uint32_t C = L::kVectors;
  const float* x = task.x + row * task.x_stride + part.first_input;
  const float* weights = part.weights;
  float* sums = part.sums + row * kPanelOutputs;
  Floats sum[R][C]{};
  if (part.first_input != 0) {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        sum[r][c] = load<Floats>(sums + r * kPanelOutputs + c * L::kOutputs);
      }
    }
  }
  for (uint64_t input = 0; input < part.n_inputs; ++input) {
    for (uint32_t at = 0; at < kPanelOutputs; at += 16) ask_ahead(weights + at);
    Floats own[R];
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) own[r] = Isa::spread(x[r * task.x_stride]);
#pragma GCC unroll 8
    for (uint32_t c = 0; c < C; ++c) {
      const auto weight = load<Floats>(weights + c * L::kOutputs);
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) sum[r][c] = Isa::fma(own[r], weight, sum[r][c]);
    }
    weights += kPanelOutputs;
    ++x;
  }
#pragma GCC unroll 8
  for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (uint32_t c = 0; c < C; ++c) {
      store(sums + r * kPanelOutputs + c * L::kOutputs, sum[r][c]);
    }
  }
}

/// All rows, in tiles as even as can be.
template <class Isa>
void run_part(const QmatmulF32& task, const Part& part) noexcept {
  using Tile = void (*)(const QmatmulF32&, const Part&, uint32_t) noexcept;
  static constexpr Tile kTiles[kTileRows] = {run_tile<Isa, 1>, run_tile<Isa, 2>, run_tile<Isa, 3>};
  const uint32_t n_tiles = (task.n_rows + kTileRows - 1) / kTileRows;
  uint32_t row = 0;
  for (uint32_t tile = 0; tile < n_tiles; ++tile) {
    const uint32_t count = (task.n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
    kTiles[count - 1](task, part, row);
    row += count;
  }
}

template <class Isa>
void run_panel(const QmatmulF32& task, uint64_t panel) noexcept {
  auto* sums = static_cast<float*>(task.scratch);
  float* numbers = sums + uint64_t{task.n_rows} * kPanelOutputs;
  const uint8_t* packed = task.weights.panels + panel * task.weights.panel_bytes;
  const bool direct = task.kind == WeightKind::float32;
  const bool one_tile = task.n_rows <= kTileRows;
  const uint64_t step = !direct ? kFloatInputs : one_tile ? task.n_inputs : kDirectInputs;
  for (uint64_t first = 0; first < task.n_inputs; first += step) {
    const uint64_t count = task.n_inputs - first < step ? task.n_inputs - first : step;
    if (task.kind == WeightKind::codes) {
      const uint64_t whole_steps = (count + kStepInputs - 1) / kStepInputs * kStepInputs;
      expand_codes<Isa>(task.weights, panel, first, whole_steps, numbers);
    } else if (task.kind == WeightKind::bfloat16) {
      expand_bfloat16<Isa>(packed + first * kPanelOutputs * 2, (count + 1) / 2, numbers);
    } else if (!direct) {
      expand_float16<Isa>(packed + first * kPanelOutputs * 2, count, numbers);
    }
    const float* whole = reinterpret_cast<const float*>(packed) + first * kPanelOutputs;
    run_part<Isa>(task, {.weights = direct ? whole : numbers,
                         .first_input = first,
                         .n_inputs = count,
                         .sums = sums});
  }
  const uint64_t first = panel * kPanelOutputs;
  const uint64_t left = task.end.n_outputs - first;
  for (uint32_t row = 0; row < task.n_rows; ++row) {
    finish<Isa>(task.end, nullptr, sums + uint64_t{row} * kPanelOutputs, row, first,
                left < kPanelOutputs ? left : kPanelOutputs);
  }
}

template <class Isa>
void run_panels(const QmatmulF32& task) noexcept {
  const uint64_t n_panels = (task.end.n_outputs + kPanelOutputs - 1) / kPanelOutputs;
  for (uint64_t panel = 0; panel < n_panels; ++panel) run_panel<Isa>(task, panel);
}

}  // namespace
}  // namespace cordwood::kernels
