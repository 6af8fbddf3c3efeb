// quantize_rows, 32 inputs at a time: a pass for the largest magnitude, a pass for the codes, both
// from L1 after the first touch; then sums of codes.
#include <arm_neon.h>

#include <cstring>

#include "kernels/quantize_rows/affine.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels::neon {
namespace {

constexpr float kTop = 127.0f;
constexpr uint32_t kInfinityBits = 0x7F800000u;
constexpr uint64_t kBlock = 32;

/// The last inputs, filled up with zeros.
struct Tail {
  float x[kBlock] = {};

  Tail(const float* from, uint64_t count) noexcept { std::memcpy(x, from, count * sizeof *x); }
};

/// The largest bits so far of magnitudes, lane by lane.
class Tops {
 public:
  void take(const float* x) noexcept {
#pragma GCC unroll 8
    for (uint32_t part = 0; part < 8; ++part) {
      const uint32x4_t bits = vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + 4 * part)));
      top_[part % 4] = vmaxq_u32(top_[part % 4], bits);
    }
  }
  [[nodiscard]] uint32_t largest() const noexcept {
    return vmaxvq_u32(vmaxq_u32(vmaxq_u32(top_[0], top_[1]), vmaxq_u32(top_[2], top_[3])));
  }

 private:
  uint32x4_t top_[4] = {};
};

/// Codes of 32 inputs.
template <bool kStatic>
void encode(const float* x, float reciprocal, int8_t* codes) noexcept {
  const auto eight = [&](uint32_t part) {
    const auto four = [&](const float* from) {
      float32x4_t code = vmulq_n_f32(vld1q_f32(from), reciprocal);
      if (kStatic) {  // a scale of the row's own never reaches further
        code = vmaxq_f32(vminq_f32(code, vdupq_n_f32(kTop)), vdupq_n_f32(-kTop));
      }
      return vqmovn_s32(vcvtnq_s32_f32(code));
    };
    return vqmovn_s16(vcombine_s16(four(x + 8 * part), four(x + 8 * part + 4)));
  };
#pragma GCC unroll 4
  for (uint32_t part = 0; part < 4; ++part) vst1_s8(codes + 8 * part, eight(part));
}

/// Bits of the largest magnitude. Magnitudes order as their bits do; NaN comes after infinity.
uint32_t largest_bits(const float* x, uint64_t count) noexcept {
  Tops tops;
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) tops.take(x + k);
  if (k < count) tops.take(Tail(x + k, count - k).x);
  return tops.largest();
}

template <bool kStatic>
void encode_range(const float* x, uint64_t count, float reciprocal, int8_t* codes) noexcept {
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) encode<kStatic>(x + k, reciprocal, codes + k);
  if (k == count) return;
  int8_t last[kBlock];
  encode<kStatic>(Tail(x + k, count - k).x, reciprocal, last);
  std::memcpy(codes + k, last, count - k);
}

/// The least and the largest value and zero; bits of the largest magnitude.
struct Span {
  float low;
  float high;
  uint32_t top_bits;
};

class Spans {
 public:
  void take(const float* x) noexcept {
    tops_.take(x);
#pragma GCC unroll 8
    for (uint32_t part = 0; part < 8; ++part) {
      const float32x4_t four = vld1q_f32(x + 4 * part);
      low_[part % 4] = vminq_f32(low_[part % 4], four);
      high_[part % 4] = vmaxq_f32(high_[part % 4], four);
    }
  }
  [[nodiscard]] Span span() const noexcept {
    return {vminvq_f32(vminq_f32(vminq_f32(low_[0], low_[1]), vminq_f32(low_[2], low_[3]))),
            vmaxvq_f32(vmaxq_f32(vmaxq_f32(high_[0], high_[1]), vmaxq_f32(high_[2], high_[3]))),
            tops_.largest()};
  }

 private:
  Tops tops_;
  float32x4_t low_[4] = {};
  float32x4_t high_[4] = {};
};

Span span_of(const float* x, uint64_t count) noexcept {
  Spans spans;
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) spans.take(x + k);
  if (k < count) spans.take(Tail(x + k, count - k).x);
  return spans.span();
}

/// What turns floats into codes with a zero point.
struct Affinity {
  float reciprocal;
  int32_t zero;
  uint8_t flip;
};

/// Codes of 8 floats. The maximum of NaN and a number is the number.
uint8x8_t encode_eight(const float* x, const Affinity& by) noexcept {
  const auto four = [&](const float* from) {
    float32x4_t code = vmulq_n_f32(vld1q_f32(from), by.reciprocal);
    code = vmaxnmq_f32(code, vdupq_n_f32(static_cast<float>(-128 - by.zero)));
    code = vminq_f32(code, vdupq_n_f32(static_cast<float>(127 - by.zero)));
    return vmovn_s32(vaddq_s32(vcvtnq_s32_f32(code), vdupq_n_s32(by.zero)));
  };
  const int8x8_t codes = vmovn_s16(vcombine_s16(four(x), four(x + 4)));
  return veor_u8(vreinterpret_u8_s8(codes), vdup_n_u8(by.flip));
}

void encode_affine(const float* x, uint64_t count, const Affinity& by, uint8_t* codes) noexcept {
  constexpr uint64_t kEight = 8;
  uint64_t k = 0;
  for (; k + kEight <= count; k += kEight) vst1_u8(codes + k, encode_eight(x + k, by));
  if (k == count) return;
  uint8_t last[kEight];
  vst1_u8(last, encode_eight(Tail(x + k, count - k).x, by));
  std::memcpy(codes + k, last, count - k);
}

void take_codes(const uint8_t* given, uint64_t count, uint8_t flip, int8_t* codes) noexcept {
  constexpr uint64_t kSixteen = 16;
  uint64_t k = 0;
  for (; k + kSixteen <= count; k += kSixteen) {
    const uint8x16_t block = veorq_u8(vld1q_u8(given + k), vdupq_n_u8(flip));
    vst1q_s8(codes + k, vreinterpretq_s8_u8(block));
  }
  for (; k < count; ++k) codes[k] = static_cast<int8_t>(given[k] ^ flip);
}

/// Codes of a symmetric scale group; false where a value is not finite.
bool code_symmetric(const QuantizeRows& task, const float* x, uint64_t count, int8_t* codes,
                    float* scale) noexcept {
  const uint32_t top_bits = largest_bits(x, count);
  if (top_bits >= kInfinityBits) return false;
  if (task.static_scale > 0.0f) {
    *scale = task.static_scale;
    encode_range<true>(x, count, 1.0f / task.static_scale, codes);
    return true;
  }
  float top;
  std::memcpy(&top, &top_bits, sizeof top);
  const bool tiny = !(top >= kTinyScale);
  *scale = tiny ? 0.0f : top / kTop;
  encode_range<false>(x, count, tiny ? 0.0f : kTop / top, codes);
  return true;
}

/// The same with a zero point.
bool code_affine(const QuantizeRows& task, const float* x, uint64_t count, int8_t* codes,
                 float* scale, int32_t* zero) noexcept {
  const Span span = span_of(x, count);
  if (span.top_bits >= kInfinityBits) return false;
  const Affine own = task.static_scale > 0.0f ? Affine{task.static_scale, task.static_zero}
                                              : affine_of(span.low, span.high);
  *scale = own.scale;
  *zero = own.zero;
  const float reciprocal = own.scale > 0.0f ? 1.0f / own.scale : 0.0f;
  encode_affine(x, count, {reciprocal, own.zero, 0}, reinterpret_cast<uint8_t*>(codes));
  return true;
}

/// Codes of one scale group of a row.
bool code_group(const QuantizeRows& task, uint64_t from, uint64_t count, int8_t* codes,
                uint64_t group) noexcept {
  float* scale = task.scales + group;
  if (task.form == RowForm::symmetric) {
    return code_symmetric(task, task.x + from, count, codes, scale);
  }
  if (task.form == RowForm::affine) {
    return code_affine(task, task.x + from, count, codes, scale, task.zeros + group);
  }
  *scale = task.static_scale;
  task.zeros[group] = task.static_zero;
  take_codes(task.given + from, count, task.flip, codes);
  return true;
}

/// Groups begin with a multiple of 32 inputs; the last one is followed by zeros up to the next.
int32_t sum_codes(const int8_t* codes, uint64_t count) noexcept {
  int32x4_t sums = vdupq_n_s32(0);
  for (uint64_t k = 0; k < count; k += kBlock) {
    const int16x8_t pairs = vpadalq_s8(vpaddlq_s8(vld1q_s8(codes + k)), vld1q_s8(codes + k + 16));
    sums = vpadalq_s16(sums, pairs);
  }
  return vaddvq_s32(sums);
}

}  // namespace

uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept {
  const uint64_t n_scales = (task.n_inputs + task.scale_group - 1) / task.scale_group;
  const uint64_t n_sums = (task.n_inputs + task.sum_group - 1) / task.sum_group;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const uint64_t from = row * task.x_stride;
    int8_t* codes = task.codes + row * task.code_stride;
    for (uint64_t group = 0; group < n_scales; ++group) {
      const uint64_t first = group * task.scale_group;
      const uint64_t count = group + 1 == n_scales ? task.n_inputs - first : task.scale_group;
      if (!code_group(task, from + first, count, codes + first, row * n_scales + group)) return row;
    }
    std::memset(codes + task.n_inputs, 0, task.padded_inputs - task.n_inputs);
    for (uint64_t group = 0; group < n_sums; ++group) {
      const uint64_t first = group * task.sum_group;
      const uint64_t count = group + 1 == n_sums ? task.n_inputs - first : task.sum_group;
      task.sums[row * n_sums + group] = sum_codes(codes + first, count) * task.sum_factor;
    }
  }
  return task.n_rows;
}

void requantize_rows_f32(const RequantizeRows& task) noexcept {
  const Affinity by{1.0f / task.scale, task.zero, task.flip};
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    encode_affine(task.y + row * task.y_stride, task.n_columns, by,
                  task.codes + row * task.code_stride);
  }
}

}  // namespace cordwood::kernels::neon
