// qmatmul_bf16, plainly: one output of one row at a time.
#include <math.h>
#include <cstring>

#include "kernels/qmatmul/qmatmul_bf16.hpp"

namespace cordwood::kernels::scalar {
namespace {

constexpr uint32_t kSign = 0x80000000u;
constexpr uint32_t kExponent = 0x7F800000u;

float from_bits(uint32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t bits_of(float value) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

uint32_t round_half(float value) noexcept {
  const uint32_t bits = bits_of(value);
  if ((bits & kExponent) == 0) return (bits & kSign) >> 16;
  if ((bits & ~kSign) > kExponent) return bits >> 16 | 0x40u;  // NaN stays one
  return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

/// A half of a pair as float32; subnormal ones are zeros.
float widen(uint32_t half) noexcept {
  const uint32_t bits = half << 16;
  return from_bits((bits & kExponent) == 0 ? bits & kSign : bits);
}

/// fma with what is subnormal flushed. A result counts as such when rounding it to 24 bits leaves it
/// below 2^-126, though fmaf, which has fewer bits there, may have rounded it up to 2^-126.
float flushed_fma(float x, float w, float sum) noexcept {
  const float y = fmaf(x, w, sum);
  if (!(fabsf(y) <= 0x1p-126f)) return y;
  // The product is exact; where the sum is not, it is far from the limit.
  const double exact = static_cast<double>(x) * static_cast<double>(w) + static_cast<double>(sum);
  const double limit = 0x1p-126 - 0x1p-151;
  return exact < limit && exact > -limit ? from_bits(bits_of(y) & kSign) : y;
}

float dot(const QmatmulBf16& task, uint64_t panel, uint64_t within, const uint32_t* x) noexcept {
  const uint8_t* weights = task.panels + panel * task.panel_bytes;
  float sum = 0.0f;
  for (uint64_t pair = 0; pair < task.n_pairs; ++pair) {
    uint32_t w;
    std::memcpy(&w, weights + (pair * kPanelOutputs + within) * sizeof w, sizeof w);
    sum = flushed_fma(widen(x[pair] >> 16), widen(w >> 16), sum);
    sum = flushed_fma(widen(x[pair] & 0xFFFFu), widen(w & 0xFFFFu), sum);
  }
  return sum;
}

}  // namespace

void round_rows_bf16(const RoundRows& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    uint32_t* pairs = task.pairs + row * task.pair_stride;
    for (uint64_t pair = 0; pair < input_pairs(task.n_inputs); ++pair) {
      const uint64_t input = 2 * pair;
      const uint32_t high = input + 1 < task.n_inputs ? round_half(x[input + 1]) : 0u;
      pairs[pair] = high << 16 | round_half(x[input]);
    }
  }
}

void qmatmul_bf16(const QmatmulBf16& task) noexcept {
  const QmatmulEnd& end = task.end;
  for (uint64_t output = 0; output < end.n_outputs; ++output) {
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      float y =
          dot(task, output / kPanelOutputs, output % kPanelOutputs, task.x + row * task.x_stride);
      if (end.bias != nullptr) y += end.bias[output];
      if (end.residual != nullptr) y += end.residual[row * end.residual_stride + output];
      if (end.cut != 0) {
        y = y <= end.low ? end.low : y;
        y = y >= end.high ? end.high : y;
      }
      end.out[row * end.out_stride + output] = y;
    }
  }
}

}  // namespace cordwood::kernels::scalar
