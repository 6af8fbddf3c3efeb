// qmatmul_f32, plainly: one output of one row at a time.
#include <math.h>
#include <cstring>

#include "kernels/qmatmul/qmatmul_f32.hpp"
#include "kernels/qmatmul/step.h"

namespace cordwood::kernels::scalar {
namespace {

template <class T>
T read(const uint8_t* from, uint64_t index) noexcept {
  T value;
  std::memcpy(&value, from + index * sizeof value, sizeof value);
  return value;
}

float from_bits(uint32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

float from_float16(uint16_t half) noexcept {
  const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t fraction = half & 1023u;
  if (exponent == 0) {  // zero or subnormal: a whole number of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return from_bits(sign | wide << 23 | fraction << 13);
}

float from_code(const QmatmulF32& task, uint64_t panel, uint32_t output, uint64_t input) noexcept {
  const QmatmulWeights& weights = task.weights;
  const uint64_t step = input / kStepInputs;
  const uint64_t group = step / weights.group_steps;
  const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs + output;
  const int32_t zero = weights.zeros != nullptr ? weights.zeros[at] : 1 << (weights.bits - 1);
  const auto place = static_cast<uint32_t>(output * kStepInputs + input % kStepInputs);
  const uint32_t code = cordwood_qmatmul_code(weights.panels + panel * weights.panel_bytes,
                                              weights.bits, step, place);
  return static_cast<float>(static_cast<int32_t>(code) - zero) * weights.scales[at];
}

float weight(const QmatmulF32& task, uint64_t panel, uint32_t output, uint64_t input) noexcept {
  const uint8_t* numbers = task.weights.panels + panel * task.weights.panel_bytes;
  const uint64_t at = input * kPanelOutputs + output;
  switch (task.kind) {
    case WeightKind::codes:
      return from_code(task, panel, output, input);
    case WeightKind::bfloat16: {
      const uint64_t half = (input / 2 * kPanelOutputs + output) * 2 + input % 2;
      return from_bits(static_cast<uint32_t>(read<uint16_t>(numbers, half)) << 16);
    }
    case WeightKind::float16:
      return from_float16(read<uint16_t>(numbers, at));
    default:
      return read<float>(numbers, at);
  }
}

}  // namespace

void qmatmul_f32(const QmatmulF32& task) noexcept {
  const QmatmulEnd& end = task.end;
  for (uint64_t output = 0; output < end.n_outputs; ++output) {
    const uint64_t panel = output / kPanelOutputs;
    const auto within = static_cast<uint32_t>(output % kPanelOutputs);
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      const float* x = task.x + row * task.x_stride;
      float y = 0.0f;
      for (uint64_t input = 0; input < task.n_inputs; ++input) {
        y = fmaf(x[input], weight(task, panel, within, input), y);
      }
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
