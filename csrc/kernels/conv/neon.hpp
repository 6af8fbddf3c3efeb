// Vectors of AdvSIMD for end.hpp.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace cordwood::kernels {
namespace {

struct Neon {
  static constexpr uint32_t kBytes = 16;
  static constexpr uint32_t kMostSums = 24;
  /// Bytes are multiplied as signed ones, 128 less.
  static constexpr bool kSigned = true;
  using Ints [[gnu::vector_size(16)]] = int32_t;
  using Floats [[gnu::vector_size(16)]] = float;

  [[gnu::always_inline]] static Floats spread(float x) noexcept { return vdupq_n_f32(x); }
  [[gnu::always_inline]] static Floats fma(Floats a, Floats b, Floats c) noexcept {
    return vfmaq_f32(c, a, b);
  }
  [[gnu::always_inline]] static Floats cut(Floats y, float low, float high) noexcept {
    const Floats least = spread(low);
    const Floats most = spread(high);
    y = y <= least ? least : y;
    return y >= most ? most : y;
  }
  [[gnu::always_inline]] static Floats within(Floats y, float low, float high) noexcept {
    const Floats least = spread(low);
    const Floats most = spread(high);
    y = y > least ? y : least;
    return y < most ? y : most;
  }
  [[gnu::always_inline]] static Ints round(Floats y) noexcept { return vcvtnq_s32_f32(y); }
  [[gnu::always_inline]] static uint8x8_t four(const void* bytes) noexcept {
    uint32_t word;
    std::memcpy(&word, bytes, sizeof word);
    return vreinterpret_u8_u32(vdup_n_u32(word));
  }
  [[gnu::always_inline]] static Ints widen(const uint8_t* bytes) noexcept {
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four(bytes)))));
  }
  [[gnu::always_inline]] static Ints widen_signed(const int8_t* bytes) noexcept {
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(four(bytes)))));
  }
  [[gnu::always_inline]] static void store_low_bytes(uint8_t* to, Ints numbers) noexcept {
    const uint16x4_t halves = vmovn_u32(vreinterpretq_u32_s32(numbers));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
    const uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    std::memcpy(to, &word, sizeof word);
  }
  [[gnu::always_inline]] static Ints add_small(Ints sum, Ints a, Ints b) noexcept {
    return vmlaq_s32(sum, a, b);
  }

  using Inputs = int8x16_t;
  using Weights = int8x16_t;
  [[gnu::always_inline]] static int8x16_t inputs(const uint8_t* bytes) noexcept {
    uint32_t word;
    std::memcpy(&word, bytes, sizeof word);
    return vreinterpretq_s8_u32(vdupq_n_u32(word ^ 0x80808080u));
  }
  [[gnu::always_inline]] static int8x16_t weights(const int8_t* bytes) noexcept {
    return vld1q_s8(bytes);
  }
};

}  // namespace
}  // namespace cordwood::kernels
