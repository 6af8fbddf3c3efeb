// conv and depthwise on codes, plainly: one output of one position at a time.
#include "kernels/conv/scalar_end.hpp"

namespace cordwood::kernels::scalar {
namespace {

int32_t sum_window(const ConvU8& task, const uint8_t* window, uint32_t output) noexcept {
  const ConvWindows& windows = task.windows;
  const uint32_t steps = (windows.segment_inputs + kConvInputs - 1) / kConvInputs;
  const int8_t* weights = task.panels + output / kConvOutputs * task.panel_bytes;
  int32_t sum = task.starts[output];
  for (uint32_t segment = 0; segment < windows.n_segments; ++segment) {
    const uint8_t* x = window + windows.segments[segment];
    for (uint32_t input = 0; input < windows.segment_inputs; ++input) {
      const uint64_t step = uint64_t{segment} * steps + input / kConvInputs;
      const uint64_t lane = output % kConvOutputs;
      sum += weights[(step * kConvOutputs + lane) * kConvInputs + input % kConvInputs] * x[input];
    }
  }
  return sum;
}

int32_t sum_channel(const ConvU8& task, const uint8_t* window, uint32_t channel) noexcept {
  int32_t sum = task.starts[channel];
  for (uint32_t segment = 0; segment < task.windows.n_segments; ++segment) {
    const uint64_t at = uint64_t{segment} * task.end.n_outputs + channel;
    sum += task.panels[at] * window[task.windows.segments[segment] + channel];
  }
  return sum;
}

template <int32_t (*kSum)(const ConvU8&, const uint8_t*, uint32_t) noexcept>
void run(const ConvU8& task) noexcept {
  for (uint32_t row = 0; row < task.windows.n_rows; ++row) {
    for (uint32_t position = 0; position < task.windows.n_positions; ++position) {
      const uint8_t* window =
          task.x + row * task.windows.row_stride + position * task.windows.position_stride;
      for (uint32_t output = 0; output < task.end.n_outputs; ++output) {
        const auto sum = static_cast<float>(kSum(task, window, output));
        const float scale = task.scales[output] * task.x_scale;
        const float y =
            has_bias(task.end) ? fmaf(sum, scale, bias_of(task.end, output)) : sum * scale;
        finish(task.end, y, row, position, output);
      }
    }
  }
}

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run<sum_window>(task);
}

void depthwise_u8(const ConvU8& task) noexcept {
  run<sum_channel>(task);
}

}  // namespace cordwood::kernels::scalar
