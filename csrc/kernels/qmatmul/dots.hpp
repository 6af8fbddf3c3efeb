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

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    for (uint32_t step = 0; step < n_steps; ++step) {
      for (uint32_t at = 0; at < C * Dot::kBytes; at += 64) ask_ahead(steps + at);
      Register own[R];
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) own[r] = Dot::inputs(codes + r * stride);
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const Register weights = Dot::weights(steps + c * Dot::kBytes);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          sums[r][c] = Dot::add_products(sums[r][c], weights, own[r]);
        }
      }
      steps += kStepBytes;
      codes += kStepInputs;
    }
  }

  /// Two steps at a time, as they are stored.
  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot_nibbles(const uint8_t* steps, uint32_t n_steps,
                                                 const int8_t* codes, uint64_t stride,
                                                 Ints (&sums)[R][C]) noexcept {
    for (uint32_t step = 0; step < n_steps; step += 2) {
      for (uint32_t at = 0; at < C * Dot::kBytes; at += 64) ask_ahead(steps + at);
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const Register bytes = Dot::load_bytes(steps + c * Dot::kBytes);
        const Register even = Dot::even_nibbles(bytes);
        const Register odd = Dot::odd_nibbles(bytes);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          const Register first = Dot::inputs(codes + r * stride);
          const Register second = Dot::inputs(codes + r * stride + kStepInputs);
          sums[r][c] = Dot::add_products(sums[r][c], even, first);
          sums[r][c] = Dot::add_products(sums[r][c], odd, second);
        }
      }
      steps += kStepBytes;
      codes += 2 * kStepInputs;
    }
  }
};

}  // namespace
}  // namespace cordwood::kernels
