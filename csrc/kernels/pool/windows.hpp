// pool with vectors of kBytes: some vectors of channels run through a window together. A position costs
// a load and an operation or three for each; loads bind.
//
// The vectors are those of the compiler: each file that includes this gets its own instructions.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/pool/pool.hpp"
#include "kernels/pool/step.h"

namespace cordwood::kernels {
namespace {

constexpr uint32_t kFoldVectors = 4;

template <uint32_t kBytes>
using FoldFloats [[gnu::vector_size(kBytes)]] = float;
template <uint32_t kBytes>
using FoldInts [[gnu::vector_size(kBytes)]] = int32_t;
template <uint32_t kBytes>
using FoldCodes [[gnu::vector_size(kBytes)]] = uint8_t;

/// NaN with a clear sign and no payload.
template <uint32_t kBytes>
[[gnu::always_inline]] inline FoldFloats<kBytes> tidy(FoldFloats<kBytes> y) noexcept {
  const FoldInts<kBytes> nan = FoldInts<kBytes>{} + 0x7FC00000;
  return y == y ? y : reinterpret_cast<FoldFloats<kBytes>>(nan);
}

template <uint32_t kBytes>
struct MaxFold {
  using Number = float;
  using Vector = FoldFloats<kBytes>;
  [[gnu::always_inline]] static Vector start() noexcept { return Vector{} - __builtin_inff(); }
  [[gnu::always_inline]] static Vector add(Vector y, Vector x) noexcept {
    return ((x > y) | (x != x)) ? x : y;
  }
  [[gnu::always_inline]] static Vector end(Vector y, float) noexcept { return tidy<kBytes>(y); }
};

template <uint32_t kBytes>
struct MeanFold {
  using Number = float;
  using Vector = FoldFloats<kBytes>;
  [[gnu::always_inline]] static Vector start() noexcept { return Vector{}; }
  [[gnu::always_inline]] static Vector add(Vector y, Vector x) noexcept { return y + x; }
  [[gnu::always_inline]] static Vector end(Vector y, float divisor) noexcept {
    return tidy<kBytes>(y / divisor);
  }
};

template <uint32_t kBytes>
struct CodeFold {
  using Number = uint8_t;
  using Vector = FoldCodes<kBytes>;
  [[gnu::always_inline]] static Vector start() noexcept { return Vector{}; }
  [[gnu::always_inline]] static Vector add(Vector y, Vector x) noexcept { return x > y ? x : y; }
  [[gnu::always_inline]] static Vector end(Vector y, float) noexcept { return y; }
};

[[gnu::always_inline]] inline cordwood_pool_range meet(const PoolAxis& axis, uint32_t at) noexcept {
  return cordwood_pool_meet(at, axis.size, axis.kernel, axis.stride, axis.dilation, axis.before);
}

/// What a window meets.
struct Met {
  cordwood_pool_range planes;
  cordwood_pool_range rows;
  cordwood_pool_range positions;
};

/// V vectors of channels, or `n_bytes` of one.
template <class Fold, uint32_t V, bool kWhole>
void run_window(const typename Fold::Number* x, typename Fold::Number* out,
                const PoolWindows& windows, const Met& met, float divisor,
                uint64_t n_bytes) noexcept {
  using Vector = typename Fold::Vector;
  constexpr uint64_t kLanes = sizeof(Vector) / sizeof(typename Fold::Number);
  Vector folds[V];
#pragma GCC unroll 4
  for (uint32_t v = 0; v < V; ++v) folds[v] = Fold::start();
  const uint64_t step = uint64_t{windows.axes[2].dilation} * windows.n_channels;
  for (uint32_t z = 0; z < met.planes.count; ++z) {
    const uint64_t plane = met.planes.first + uint64_t{z} * windows.axes[0].dilation;
    for (uint32_t y = 0; y < met.rows.count; ++y) {
      const uint64_t row = met.rows.first + uint64_t{y} * windows.axes[1].dilation;
      const auto* from = x + plane * windows.plane_stride + row * windows.row_stride +
                         uint64_t{met.positions.first} * windows.n_channels;
      for (uint32_t k = 0; k < met.positions.count; ++k, from += step) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < V; ++v) {
          Vector own{};
          std::memcpy(&own, from + v * kLanes, kWhole ? sizeof own : n_bytes);
          folds[v] = Fold::add(folds[v], own);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (uint32_t v = 0; v < V; ++v) {
    const Vector y = Fold::end(folds[v], divisor);
    std::memcpy(out + v * kLanes, &y, kWhole ? sizeof y : n_bytes);
  }
}

template <class Fold>
void run_pool(const typename Fold::Number* x, typename Fold::Number* out,
              const PoolWindows& windows, float divisor) noexcept {
  using Number = typename Fold::Number;
  constexpr uint32_t kLanes = sizeof(typename Fold::Vector) / sizeof(Number);
  Met met{meet(windows.axes[0], windows.plane), meet(windows.axes[1], windows.row), {}};
  for (uint32_t position = 0; position < windows.n_positions; ++position) {
    met.positions = meet(windows.axes[2], position);
    const float number =
        static_cast<float>(uint64_t{met.planes.count} * met.rows.count * met.positions.count);
    const float by = divisor != 0.0f ? divisor : number;
    Number* to = out + uint64_t{position} * windows.n_channels;
    uint32_t channel = 0;
    for (; channel + kFoldVectors * kLanes <= windows.n_channels;
         channel += kFoldVectors * kLanes) {
      run_window<Fold, kFoldVectors, true>(x + channel, to + channel, windows, met, by, 0);
    }
    for (; channel + kLanes <= windows.n_channels; channel += kLanes) {
      run_window<Fold, 1, true>(x + channel, to + channel, windows, met, by, 0);
    }
    if (channel < windows.n_channels) {
      run_window<Fold, 1, false>(x + channel, to + channel, windows, met, by,
                                 (windows.n_channels - channel) * sizeof(Number));
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
