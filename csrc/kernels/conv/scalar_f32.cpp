// conv and depthwise on float32, plainly: one output of one position at a time.
#include <math.h>

#include "kernels/conv/scalar_end.hpp"

namespace cordwood::kernels::scalar {
namespace {

float sum_window(const ConvF32& task, const float* window, uint32_t output) noexcept {
  const ConvWindows& windows = task.windows;
  const float* weights =
      task.panels + output / kConvOutputs * task.panel_floats + output % kConvOutputs;
  float sum = 0.0f;
  for (uint32_t segment = 0; segment < windows.n_segments; ++segment) {
    const float* x = window + windows.segments[segment];
    for (uint32_t input = 0; input < windows.segment_inputs; ++input) {
      sum = fmaf(x[input], *weights, sum);
      weights += kConvOutputs;
    }
  }
  return sum;
}

float sum_channel(const ConvF32& task, const float* window, uint32_t channel) noexcept {
  float sum = 0.0f;
  for (uint32_t segment = 0; segment < task.windows.n_segments; ++segment) {
    const uint64_t at = uint64_t{segment} * task.end.n_outputs + channel;
    sum = fmaf(window[task.windows.segments[segment] + channel], task.panels[at], sum);
  }
  return sum;
}

template <float (*kSum)(const ConvF32&, const float*, uint32_t) noexcept>
void run(const ConvF32& task) noexcept {
  for (uint32_t row = 0; row < task.windows.n_rows; ++row) {
    for (uint32_t position = 0; position < task.windows.n_positions; ++position) {
      const float* window =
          task.x + row * task.windows.row_stride + position * task.windows.position_stride;
      for (uint32_t output = 0; output < task.end.n_outputs; ++output) {
        float y = kSum(task, window, output);
        if (has_bias(task.end)) y += bias_of(task.end, output);
        finish(task.end, y, row, position, output);
      }
    }
  }
}

}  // namespace

void conv_f32(const ConvF32& task) noexcept {
  run<sum_window>(task);
}

void depthwise_f32(const ConvF32& task) noexcept {
  run<sum_channel>(task);
}

}  // namespace cordwood::kernels::scalar
