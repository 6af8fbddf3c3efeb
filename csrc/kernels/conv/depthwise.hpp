// Convolutions of single channels: lanes are channels. A vector of weights serves several positions;
// each costs a load of inputs and a multiply-add. `Isa` is that of end.hpp, for codes with
//
//     static Ints widen_signed(const int8_t* bytes);
//     static Ints add_small(Ints sum, Ints a, Ints b);   // a * b, both within 16 bits
#pragma once

#include "kernels/conv/end.hpp"
#include "kernels/conv/walk.hpp"

namespace cordwood::kernels {
namespace {

constexpr uint32_t kChannelPositions = 4;

template <class Isa>
struct ChannelCodes : Isa {
  using Task = ConvU8;
  using Sums = typename Isa::Ints;
  static constexpr bool kIntegers = true;
  static constexpr uint32_t kLanes = Isa::kBytes / 4;

  [[gnu::always_inline]] static Sums start(const Task& task, uint32_t channel,
                                           uint32_t count) noexcept {
    return load_some<Isa>(task.starts + channel, count);
  }
  [[gnu::always_inline]] static Sums weights(const Task& task, uint64_t at,
                                             uint32_t count) noexcept {
    if (count >= kLanes) return Isa::widen_signed(task.panels + at);
    int8_t some[kLanes] = {};
    copy_some(some, task.panels + at, count);
    return Isa::widen_signed(some);
  }
  [[gnu::always_inline]] static Sums add(Sums sum, const uint8_t* x, Sums weights,
                                         uint32_t count) noexcept {
    return Isa::add_small(sum, widen_some<Isa>(x, count), weights);
  }
  static const float* scales(const Task& task, uint32_t channel) noexcept {
    return task.scales + channel;
  }
  static float x_scale(const Task& task) noexcept { return task.x_scale; }
};

template <class Isa>
struct ChannelNumbers : Isa {
  using Task = ConvF32;
  using Sums = typename Isa::Floats;
  static constexpr bool kIntegers = false;

  static Sums start(const Task&, uint32_t, uint32_t) noexcept { return Sums{}; }
  [[gnu::always_inline]] static Sums weights(const Task& task, uint64_t at,
                                             uint32_t count) noexcept {
    return load_some<Isa>(task.panels + at, count);
  }
  [[gnu::always_inline]] static Sums add(Sums sum, const float* x, Sums weights,
                                         uint32_t count) noexcept {
    return Isa::fma(load_some<Isa>(x, count), weights, sum);
  }
  static const float* scales(const Task&, uint32_t) noexcept { return nullptr; }
  static float x_scale(const Task&) noexcept { return 0.0f; }
};

template <class Channels, uint32_t R, bool kWhole>
void run_positions(const typename Channels::Task& task, const Place& place) noexcept {
  constexpr uint32_t kLanes = Channels::kBytes / 4;
  const ConvWindows& windows = task.windows;
  const uint32_t left = task.end.n_outputs - place.output;
  const uint32_t count = kWhole ? kLanes : left;
  const auto* x = task.x + place.row * windows.row_stride +
                  place.position * windows.position_stride + place.output;
  typename Channels::Sums sums[R][1];
  const auto start = Channels::start(task, place.output, count);
#pragma GCC unroll 4
  for (uint32_t r = 0; r < R; ++r) sums[r][0] = start;
  for (uint32_t segment = 0; segment < windows.n_segments; ++segment) {
    const uint64_t at = uint64_t{segment} * task.end.n_outputs + place.output;
    const auto weights = Channels::weights(task, at, count);
    const auto* from = x + windows.segments[segment];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < R; ++r) {
      sums[r][0] = Channels::add(sums[r][0], from + r * windows.position_stride, weights, count);
    }
  }
  finish_tile<Channels, R, 1, Channels::kIntegers>(task.end, sums, windows.n_positions, place,
                                                   Channels::scales(task, place.output),
                                                   Channels::x_scale(task));
}

template <class Channels, bool kWhole>
void run_channels(const typename Channels::Task& task, uint32_t channel) noexcept {
  for (uint32_t row = 0; row < task.windows.n_rows; ++row) {
    uint32_t position = 0;
    for (; position + kChannelPositions <= task.windows.n_positions;
         position += kChannelPositions) {
      run_positions<Channels, kChannelPositions, kWhole>(task, {row, position, channel});
    }
    for (; position < task.windows.n_positions; ++position) {
      run_positions<Channels, 1, kWhole>(task, {row, position, channel});
    }
  }
}

template <class Channels>
void run_depthwise(const typename Channels::Task& task) noexcept {
  constexpr uint32_t kLanes = Channels::kBytes / 4;
  for (uint32_t channel = 0; channel < task.end.n_outputs; channel += kLanes) {
    if (channel + kLanes <= task.end.n_outputs) {
      run_channels<Channels, true>(task, channel);
    } else {
      run_channels<Channels, false>(task, channel);
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
