// image_codes with vectors of 4.
#include <arm_neon.h>
#include <math.h>

#include <cstring>

#include "kernels/image_codes/image_codes.hpp"
#include "kernels/image_codes/step.h"

namespace cordwood::kernels::neon {

float image_top_f32(const float* x, uint64_t n) noexcept {
  // As integers, magnitudes are in the same order, with NaN above infinity.
  int32x4_t tops = vdupq_n_s32(0);
  uint64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    tops = vmaxq_s32(tops, vreinterpretq_s32_f32(vabsq_f32(vld1q_f32(x + i))));
  }
  int32_t top = vmaxvq_s32(tops);
  for (; i < n; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7FFFFFFF;
    top = bits > top ? bits : top;
  }
  float number;
  std::memcpy(&number, &top, sizeof number);
  return top >= 0x7F800000 ? INFINITY : number;
}

void image_codes_f32(const ImageCodes& task) noexcept {
  const float32x4_t least = vdupq_n_f32(task.least);
  const float32x4_t most = vdupq_n_f32(task.most);
  const int32x4_t zero = vdupq_n_s32(task.zero);
  uint64_t i = 0;
  for (; i + 4 <= task.n; i += 4) {
    float32x4_t y = vmulq_n_f32(vld1q_f32(task.x + i), task.factor);
    y = vbslq_f32(vcgtq_f32(y, least), y, least);
    y = vbslq_f32(vcltq_f32(y, most), y, most);
    const int32x4_t code = vaddq_s32(vcvtnq_s32_f32(y), zero);
    const uint16x4_t halves = vmovn_u32(vreinterpretq_u32_s32(code));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
    const uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    std::memcpy(task.codes + i, &word, sizeof word);
  }
  for (; i < task.n; ++i) {
    task.codes[i] = cordwood_image_code(task.x[i], task.factor, task.least, task.most, task.zero);
  }
}

}  // namespace cordwood::kernels::neon
