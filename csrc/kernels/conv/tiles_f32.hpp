// The same walk as tiles.hpp with float32: an input costs the vectors of weights, a broadcast for each
// position, and an fma for each sum.
#pragma once

#include "kernels/conv/end.hpp"
#include "kernels/conv/walk.hpp"

namespace cordwood::kernels {
namespace {

template <class Isa>
struct Numbers : Isa {
  using Task = ConvF32;
  using Sums = typename Isa::Floats;

  template <uint32_t R, uint32_t P>
  [[gnu::noinline]] static void tile(const ConvF32& task, const Place& place) noexcept {
    constexpr uint32_t kOutputs = Isa::kBytes / 4;
    constexpr uint32_t kVectors = kConvOutputs / kOutputs;  // of a panel
    constexpr uint32_t V = P * kVectors;
    const ConvWindows& windows = task.windows;
    const uint64_t stride = windows.position_stride;
    const uint64_t panel_floats = task.panel_floats;
    const float* weights = task.panels + place.output / kConvOutputs * panel_floats;
    constexpr uint32_t B = (R + kQuad - 1) / kQuad;
    const float* first[B];
    find_windows(task.x, windows, place, first);
    Sums sums[R][V]{};
    for (uint32_t segment = 0; segment < windows.n_segments; ++segment) {
      // Positions are reached from every fourth one: addresses then take few registers.
      const float* base[B];
#pragma GCC unroll 6
      for (uint32_t b = 0; b < B; ++b) base[b] = first[b] + windows.segments[segment];
      for (uint32_t input = 0; input < windows.segment_inputs; ++input) {
        Sums own[V];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < V; ++v) {
          own[v] = load<Sums>(weights + v / kVectors * panel_floats + v % kVectors * kOutputs);
        }
#pragma GCC unroll 24
        for (uint32_t r = 0; r < R; ++r) {
          const Sums number = Isa::spread(base[r / kQuad][r % kQuad * stride]);
#pragma GCC unroll 4
          for (uint32_t v = 0; v < V; ++v) sums[r][v] = Isa::fma(number, own[v], sums[r][v]);
        }
#pragma GCC unroll 6
        for (uint32_t b = 0; b < B; ++b) ++base[b];
        weights += kConvOutputs;
      }
    }
    alignas(64) Sums kept[R][V];
#pragma GCC unroll 24
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (uint32_t v = 0; v < V; ++v) kept[r][v] = sums[r][v];
    }
    finish_tile<Isa, R, V, false>(task.end, kept, windows.n_positions, place, nullptr, 0.0f);
  }
};

}  // namespace
}  // namespace cordwood::kernels
