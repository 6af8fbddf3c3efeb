// Vectors of AdvSIMD for panels.hpp and panels_f32.hpp.
#pragma once

#include <arm_neon.h>

#include "kernels/qmatmul/lanes.hpp"

namespace cordwood::kernels {
namespace {

struct Neon {
  static constexpr uint32_t kBytes = 16;
  static constexpr bool kAffine = false;
  using Ints = Lanes<kBytes>::Ints;
  using Floats = Lanes<kBytes>::Floats;

  static Floats spread(float x) noexcept { return vdupq_n_f32(x); }
  static Floats fma(Floats a, Floats b, Floats c) noexcept { return vfmaq_f32(c, a, b); }

  /// Four unsigned bytes.
  static Ints widen(const uint8_t* bytes) noexcept {
    const uint8x8_t four = vreinterpret_u8_u32(vdup_n_u32(load<uint32_t>(bytes)));
    return reinterpret_cast<Ints>(vmovl_u16(vget_low_u16(vmovl_u8(four))));
  }

  using Register = int8x16_t;
  static int8x16_t load_bytes(const uint8_t* bytes) noexcept {
    return vreinterpretq_s8_u8(vld1q_u8(bytes));
  }
  /// Codes less 128.
  static int8x16_t signed_weights(const uint8_t* bytes) noexcept {
    return veorq_s8(load_bytes(bytes), vdupq_n_s8(-128));
  }
  /// Four activations for each output.
  static int8x16_t inputs(const int8_t* codes) noexcept {
    return vreinterpretq_s8_s32(vdupq_n_s32(load<int32_t>(codes)));
  }
  static int8x16_t even_nibbles(int8x16_t bytes) noexcept {
    return vandq_s8(bytes, vdupq_n_s8(15));
  }
  static int8x16_t odd_nibbles(int8x16_t bytes) noexcept {
    return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(bytes), 4));
  }
};

}  // namespace
}  // namespace cordwood::kernels
