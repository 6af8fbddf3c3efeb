// qmatmul, plainly: one output of one row at a time.
#include <math.h>

#include "kernels/qmatmul/qmatmul.hpp"
#include "kernels/qmatmul/step.h"

namespace cordwood::kernels::scalar {
namespace {

/// Sum of code * activation over a group.
int32_t dot(const uint8_t* steps, uint32_t bits, uint32_t n_steps, uint32_t output,
            const int8_t* codes) noexcept {
  int32_t sum = 0;
  for (uint32_t step = 0; step < n_steps; ++step) {
    for (uint32_t input = 0; input < kStepInputs; ++input) {
      const uint32_t code = cordwood_qmatmul_code(steps, bits, step, output * kStepInputs + input);
      sum += static_cast<int32_t>(code) * codes[step * kStepInputs + input];
    }
  }
  return sum;
}

/// The sum over all groups of one output of one row, before the row's scale.
float sum_groups(const QmatmulWeights& weights, const QmatmulRows& rows, uint64_t panel,
                 uint32_t output, uint32_t row) noexcept {
  const uint8_t* steps = weights.panels + panel * weights.panel_bytes;
  const int8_t* codes = rows.codes + row * rows.code_stride;
  float sum = 0.0f;
  for (uint32_t group = 0; group < weights.n_groups; ++group) {
    const bool last = group + 1 == weights.n_groups;
    const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs + output;
    const int32_t zero = weights.zeros != nullptr ? weights.zeros[at] : 1;
    const uint64_t row_group = uint64_t{row} * weights.n_groups + group;
    const uint32_t n_steps = last ? weights.last_steps : weights.group_steps;
    const int32_t row_zero =
        rows.zeros != nullptr ? rows.zeros[rows.group_scales != 0 ? row_group : row] : 0;
    const int32_t start = zero * rows.sums[row_group] - row_zero * weights.columns[at];
    const int32_t whole = start + dot(steps, weights.bits, n_steps, output, codes);
    float scale = weights.scales[at];
    if (rows.group_scales != 0) scale *= rows.scales[row_group];
    sum = group == 0 ? static_cast<float>(whole) * scale
                     : fmaf(static_cast<float>(whole), scale, sum);
    steps += uint64_t{n_steps} * kStepBytes * weights.bits / 8;
    codes += n_steps * kStepInputs;
  }
  return sum;
}

void finish(const Qmatmul& task, float sum, uint64_t output, uint32_t row) noexcept {
  const QmatmulEnd& end = task.end;
  float y = sum;
  if (task.rows.group_scales == 0) {
    const float scale = task.rows.scales[row];
    y = end.bias != nullptr ? fmaf(sum, scale, end.bias[output]) : sum * scale;
  } else if (end.bias != nullptr) {
    y = sum + end.bias[output];
  }
  if (end.residual != nullptr) y += end.residual[row * end.residual_stride + output];
  if (end.cut != 0) {
    y = y <= end.low ? end.low : y;
    y = y >= end.high ? end.high : y;
  }
  end.out[row * end.out_stride + output] = y;
}

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  for (uint64_t output = 0; output < task.end.n_outputs; ++output) {
    const auto within = static_cast<uint32_t>(output % kPanelOutputs);
    for (uint32_t row = 0; row < task.rows.n_rows; ++row) {
      finish(task, sum_groups(task.weights, task.rows, output / kPanelOutputs, within, row), output,
             row);
    }
  }
}

}  // namespace cordwood::kernels::scalar
