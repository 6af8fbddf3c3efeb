// The loops over steps for processors that add four products of bytes to a lane at once. `Dot` has
//
//     static Ints add_products(Ints sum, Register weights, Register inputs);
//     static Register load_bytes(const uint8_t* bytes), weights(const uint8_t* bytes);
//     static Register inputs(const int8_t* codes);    // four activations, for each output
//     static Register even_nibbles(Register bytes), odd_nibbles(Register bytes);
#pragma once

#include <cstdint>

#include "kernels/qmatmul/lanes.hpp"

namespace cordwood::kernels {
namespace {

template <class Dot>
struct DotLoops : Dot {
  using Ints = typename Dot::Ints;
  using Register = typename Dot::Register;

  /// Sums that are under way at once. A multiply-add waits four cycles or five for the one before it,
  /// and two begin in a cycle: where a tile has fewer sums, each has a second one that takes turns.
  static constexpr uint32_t kSums = 8;

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    if constexpr (R * C < kSums) {
      Ints others[R][C]{};
      for (uint32_t step = 0; step < n_steps; step += 2) {
        add_step<R, C>(steps, codes, stride, sums);
        add_step<R, C>(steps + kStepBytes, codes + kStepInputs, stride, others);
        steps += 2 * kStepBytes;
        codes += 2 * kStepInputs;
      }
      return add_sums<R, C>(sums, others);
    }
    for (uint32_t step = 0; step < n_steps; ++step) {
      add_step<R, C>(steps, codes, stride, sums);
      steps += kStepBytes;
      codes += kStepInputs;
    }
  }

  /// Two steps at a time, as they are stored.
  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot_nibbles(const uint8_t* steps, uint32_t n_steps,
                                                 const int8_t* codes, uint64_t stride,
                                                 Ints (&sums)[R][C]) noexcept {
    if constexpr (R * C < kSums) {
      Ints odd[R][C]{};
      for (uint32_t step = 0; step < n_steps; step += 2) {
        add_two_steps<R, C>(steps, codes, stride, sums, odd);
        steps += kStepBytes;
        codes += 2 * kStepInputs;
      }
      return add_sums<R, C>(sums, odd);
    }
    for (uint32_t step = 0; step < n_steps; step += 2) {
      add_two_steps<R, C>(steps, codes, stride, sums, sums);
      steps += kStepBytes;
      codes += 2 * kStepInputs;
    }
  }

 private:
  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void add_step(const uint8_t* step, const int8_t* codes,
                                              uint64_t stride, Ints (&sums)[R][C]) noexcept {
    for (uint32_t at = 0; at < C * Dot::kBytes; at += 64) ask_ahead(step + at);
    Register own[R];
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) own[r] = Dot::inputs(codes + r * stride);
#pragma GCC unroll 8
    for (uint32_t c = 0; c < C; ++c) {
      const Register weights = Dot::weights(step + c * Dot::kBytes);
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) {
        sums[r][c] = Dot::add_products(sums[r][c], weights, own[r]);
      }
    }
  }

  /// `even` and `odd` may be the same.
  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void add_two_steps(const uint8_t* steps, const int8_t* codes,
                                                   uint64_t stride, Ints (&even)[R][C],
                                                   Ints (&odd)[R][C]) noexcept {
    for (uint32_t at = 0; at < C * Dot::kBytes; at += 64) ask_ahead(steps + at);
#pragma GCC unroll 8
    for (uint32_t c = 0; c < C; ++c) {
      const Register bytes = Dot::load_bytes(steps + c * Dot::kBytes);
      const Register first_weights = Dot::even_nibbles(bytes);
      const Register second_weights = Dot::odd_nibbles(bytes);
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) {
        const Register first = Dot::inputs(codes + r * stride);
        const Register second = Dot::inputs(codes + r * stride + kStepInputs);
        even[r][c] = Dot::add_products(even[r][c], first_weights, first);
        odd[r][c] = Dot::add_products(odd[r][c], second_weights, second);
      }
    }
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void add_sums(Ints (&sums)[R][C],
                                              const Ints (&others)[R][C]) noexcept {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) sums[r][c] += others[r][c];
    }
  }
};

}  // namespace
}  // namespace cordwood::kernels
