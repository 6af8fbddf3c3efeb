// quantize_rows, plainly: the definition that every other row equals.
#include <cmath>

#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels::scalar {
namespace {

constexpr float kTop = 127.0f;

struct Range {
  uint64_t first;
  uint64_t end;
};

/// The largest magnitude; infinite where a value is NaN or infinite.
float largest(const float* x, Range range) noexcept {
  float top = 0.0f;
  for (uint64_t k = range.first; k < range.end; ++k) {
    const float magnitude = x[k] < 0.0f ? -x[k] : x[k];
    if (!(magnitude <= 0x1.fffffep127f)) return INFINITY;
    if (magnitude > top) top = magnitude;
  }
  return top;
}

int8_t encode(float value, float reciprocal) noexcept {
  const float code = std::nearbyintf(value * reciprocal);
  return static_cast<int8_t>(code < -kTop ? -kTop : code > kTop ? kTop : code);
}

/// Codes of one scale group; false where a value is not finite.
bool quantize_group(const QuantizeRows& task, const float* x, Range range, int8_t* codes,
                    float* scale) noexcept {
  const float top = largest(x, range);
  if (top == INFINITY) return false;
  float reciprocal = 0.0f;
  *scale = 0.0f;
  if (task.static_scale > 0.0f) {
    *scale = task.static_scale;
    reciprocal = 1.0f / task.static_scale;
  } else if (top >= kTinyScale) {
    *scale = top / kTop;
    reciprocal = kTop / top;
  }
  for (uint64_t k = range.first; k < range.end; ++k) codes[k] = encode(x[k], reciprocal);
  return true;
}

}  // namespace

uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept {
  const uint64_t n_scales = (task.n_inputs + task.scale_group - 1) / task.scale_group;
  const uint64_t n_sums = (task.n_inputs + task.sum_group - 1) / task.sum_group;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    int8_t* codes = task.codes + row * task.code_stride;
    for (uint64_t group = 0; group < n_scales; ++group) {
      const uint64_t first = group * task.scale_group;
      const uint64_t end = group + 1 == n_scales ? task.n_inputs : first + task.scale_group;
      float* scale = task.scales + row * n_scales + group;
      if (!quantize_group(task, x, {first, end}, codes, scale)) return row;
    }
    for (uint64_t k = task.n_inputs; k < task.padded_inputs; ++k) codes[k] = 0;
    for (uint64_t group = 0; group < n_sums; ++group) {
      const uint64_t first = group * task.sum_group;
      const uint64_t end = group + 1 == n_sums ? task.n_inputs : first + task.sum_group;
      int32_t sum = 0;
      for (uint64_t k = first; k < end; ++k) sum += codes[k];
      task.sums[row * n_sums + group] = sum;
    }
  }
  return task.n_rows;
}

}  // namespace cordwood::kernels::scalar
