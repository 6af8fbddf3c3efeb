// How windows of codes meet panels of weights. A tile is R neighbouring positions by P panels; its
// sums, kept in registers, run through all segments. A step costs the vectors of weights, a broadcast
// of four inputs for each position, and a multiply-add for each sum. `Isa` is that of end.hpp with
//
//     static constexpr uint32_t kMostSums;       // of a tile
//     static constexpr bool kSigned;             // inputs are taken as signed bytes, 128 less
//     using Inputs, Weights;
//     static Inputs inputs(const uint8_t* four);
//     static Weights weights(const int8_t* bytes);
//     static Ints add_products(Ints sum, Inputs inputs, Weights weights);
#pragma once

#include "kernels/conv/end.hpp"
#include "kernels/conv/walk.hpp"

namespace cordwood::kernels {
namespace {

template <class Isa>
struct Codes : Isa {
  using Task = ConvU8;
  using Sums = typename Isa::Ints;
  static constexpr uint64_t kStepBytes = uint64_t{kConvOutputs} * kConvInputs;

  template <uint32_t R, uint32_t P>
  [[gnu::noinline]] static void tile(const ConvU8& task, const Place& place) noexcept {
    constexpr uint32_t kOutputs = Isa::kBytes / 4;
    constexpr uint32_t kVectors = kConvOutputs / kOutputs;  // of a panel
    constexpr uint32_t V = P * kVectors;
    const ConvWindows& windows = task.windows;
    const uint64_t stride = windows.position_stride;
    const uint64_t panel_bytes = task.panel_bytes;
    const uint32_t n_steps = (windows.segment_inputs + kConvInputs - 1) / kConvInputs;
    const int8_t* weights = task.panels + place.output / kConvOutputs * panel_bytes;
    constexpr uint32_t B = (R + kQuad - 1) / kQuad;
    const uint8_t* first[B];
    find_windows(task.x, windows, place, first);
    const int32_t* starts = (Isa::kSigned ? task.signed_starts : task.starts) + place.output;
    Sums sums[R][V];
#pragma GCC unroll 4
    for (uint32_t v = 0; v < V; ++v) {
      const auto start = load<Sums>(starts + v * kOutputs);
#pragma GCC unroll 24
      for (uint32_t r = 0; r < R; ++r) sums[r][v] = start;
    }
    for (uint32_t segment = 0; segment < windows.n_segments; ++segment) {
      // Positions are reached from every fourth one: addresses then take few registers.
      const uint8_t* base[B];
#pragma GCC unroll 6
      for (uint32_t b = 0; b < B; ++b) base[b] = first[b] + windows.segments[segment];
      for (uint32_t step = 0; step < n_steps; ++step) {
        typename Isa::Weights own[V];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < V; ++v) {
          own[v] = Isa::weights(weights + v / kVectors * panel_bytes + v % kVectors * Isa::kBytes);
        }
#pragma GCC unroll 24
        for (uint32_t r = 0; r < R; ++r) {
          const typename Isa::Inputs inputs = Isa::inputs(base[r / kQuad] + r % kQuad * stride);
#pragma GCC unroll 4
          for (uint32_t v = 0; v < V; ++v) {
            sums[r][v] = Isa::add_products(sums[r][v], inputs, own[v]);
          }
        }
#pragma GCC unroll 6
        for (uint32_t b = 0; b < B; ++b) base[b] += kConvInputs;
        weights += kStepBytes;
      }
    }
    alignas(64) Sums kept[R][V];
#pragma GCC unroll 24
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (uint32_t v = 0; v < V; ++v) kept[r][v] = sums[r][v];
    }
    finish_tile<Isa, R, V, true>(task.end, kept, windows.n_positions, place,
                                 task.scales + place.output, task.x_scale);
  }
};

}  // namespace
}  // namespace cordwood::kernels
