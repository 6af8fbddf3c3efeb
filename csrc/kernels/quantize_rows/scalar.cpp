// quantize_rows, plainly: the definition that every other row equals.
#include <math.h>

#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels::scalar {
namespace {

constexpr float kTop = 127.0f;
constexpr float kTopUnsigned = 255.0f;

struct Range {
  uint64_t first;
  uint64_t end;
};

/// The largest magnitude; infinite where a value is NaN or infinite.
float largest(const float* x, Range range) noexcept {
  float top = 0.0f;
  for (uint64_t k = range.first; k < range.end; ++k) {
    const float magnitude = fabsf(x[k]);
    if (!(magnitude <= 0x1.fffffep127f)) return INFINITY;
    if (magnitude > top) top = magnitude;
  }
  return top;
}

int8_t encode(float value, float reciprocal) noexcept {
  const float code = nearbyintf(value * reciprocal);
  return static_cast<int8_t>(code < -kTop ? -kTop : code > kTop ? kTop : code);
}

/// A code with a zero point; NaN has the least.
int8_t encode(float value, float reciprocal, int32_t zero) noexcept {
  const auto least = static_cast<float>(-128 - zero);
  const auto most = static_cast<float>(127 - zero);
  const float exact = value * reciprocal;
  const float above = exact > least ? exact : least;
  const float code = nearbyintf(above < most ? above : most);
  return static_cast<int8_t>(static_cast<int32_t>(code) + zero);
}

/// Codes of one symmetric scale group; false where a value is not finite.
bool code_symmetric(const QuantizeRows& task, const float* x, Range range, int8_t* codes,
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

/// A scale and its zero point.
struct Affine {
  float scale;
  int32_t zero;
};

Affine span_values(const float* x, Range range) noexcept {
  float low = 0.0f;
  float high = 0.0f;
  for (uint64_t k = range.first; k < range.end; ++k) {
    if (x[k] < low) low = x[k];
    if (x[k] > high) high = x[k];
  }
  const float span = high - low;
  if (!(span >= kTinyScale)) return {0.0f, -128};
  const float scale =
      span < INFINITY ? span / kTopUnsigned : high / kTopUnsigned - low / kTopUnsigned;
  const float zero = nearbyintf(-low / scale);
  return {scale, static_cast<int32_t>(zero < kTopUnsigned ? zero : kTopUnsigned) - 128};
}

/// The same with a zero point.
bool code_affine(const QuantizeRows& task, const float* x, Range range, int8_t* codes, float* scale,
                 int32_t* zero) noexcept {
  if (largest(x, range) == INFINITY) return false;
  const Affine own = task.static_scale > 0.0f ? Affine{task.static_scale, task.static_zero}
                                              : span_values(x, range);
  *scale = own.scale;
  *zero = own.zero;
  const float reciprocal = own.scale > 0.0f ? 1.0f / own.scale : 0.0f;
  for (uint64_t k = range.first; k < range.end; ++k) codes[k] = encode(x[k], reciprocal, own.zero);
  return true;
}

void take_codes(const QuantizeRows& task, const uint8_t* given, Range range, int8_t* codes,
                float* scale, int32_t* zero) noexcept {
  *scale = task.static_scale;
  *zero = task.static_zero;
  for (uint64_t k = range.first; k < range.end; ++k) {
    codes[k] = static_cast<int8_t>(given[k] ^ task.flip);
  }
}

/// Codes of group `at` of all rows.
bool code_group(const QuantizeRows& task, uint64_t row, Range range, int8_t* codes,
                uint64_t at) noexcept {
  const uint64_t first = row * task.x_stride;
  float* scale = task.scales + at;
  switch (task.form) {
    case RowForm::symmetric:
      return code_symmetric(task, task.x + first, range, codes, scale);
    case RowForm::affine:
      return code_affine(task, task.x + first, range, codes, scale, task.zeros + at);
    default:
      take_codes(task, task.given + first, range, codes, scale, task.zeros + at);
      return true;
  }
}

}  // namespace

uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept {
  const uint64_t n_scales = (task.n_inputs + task.scale_group - 1) / task.scale_group;
  const uint64_t n_sums = (task.n_inputs + task.sum_group - 1) / task.sum_group;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    int8_t* codes = task.codes + row * task.code_stride;
    for (uint64_t group = 0; group < n_scales; ++group) {
      const uint64_t first = group * task.scale_group;
      const uint64_t end = group + 1 == n_scales ? task.n_inputs : first + task.scale_group;
      if (!code_group(task, row, {first, end}, codes, row * n_scales + group)) return row;
    }
    for (uint64_t k = task.n_inputs; k < task.padded_inputs; ++k) codes[k] = 0;
    for (uint64_t group = 0; group < n_sums; ++group) {
      const uint64_t first = group * task.sum_group;
      const uint64_t end = group + 1 == n_sums ? task.n_inputs : first + task.sum_group;
      int32_t sum = 0;
      for (uint64_t k = first; k < end; ++k) sum += codes[k];
      task.sums[row * n_sums + group] = sum * task.sum_factor;
    }
  }
  return task.n_rows;
}

void requantize_rows_f32(const RequantizeRows& task) noexcept {
  const float reciprocal = 1.0f / task.scale;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* y = task.y + row * task.y_stride;
    uint8_t* codes = task.codes + row * task.code_stride;
    for (uint64_t column = 0; column < task.n_columns; ++column) {
      const int8_t code = encode(y[column], reciprocal, task.zero);
      codes[column] = static_cast<uint8_t>(static_cast<uint8_t>(code) ^ task.flip);
    }
  }
}

}  // namespace cordwood::kernels::scalar
