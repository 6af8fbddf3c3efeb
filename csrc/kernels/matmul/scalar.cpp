// What stands around a product, plainly: one number at a time.
#include <math.h>
#include <cstring>

#include "kernels/matmul/matmul.hpp"

namespace cordwood::kernels::scalar {
namespace {

float quiet_nan() noexcept {
  const uint32_t bits = 0x7FC00000;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

void transpose_f32(const Transpose& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    for (uint64_t column = 0; column < task.n_columns; ++column) {
      task.to[column * task.to_stride + row] = task.from[row * task.from_stride + column];
    }
  }
}

bool pack_rows_f32(const PackRows& task) noexcept {
  bool all_finite = true;
  float* to = task.panels;
  for (uint64_t first = 0; first < task.n_outputs; first += kPackColumns) {
    for (uint64_t input = 0; input < task.n_inputs; ++input) {
      for (uint64_t output = first; output < first + kPackColumns; ++output) {
        const bool inside = output < task.n_outputs;
        const float number = inside ? task.from[input * task.stride + output] : 0.0f;
        all_finite = all_finite && fabsf(number) < INFINITY;
        *to++ = number;
      }
    }
  }
  return all_finite;
}

void end_rows_f32(const EndRows& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    for (uint64_t column = 0; column < task.n_columns; ++column) {
      float* out = task.out + row * task.stride + column;
      const float y = task.divisors == nullptr ? *out : *out / task.divisors[row] + 0.0f;
      *out = y == y ? y : quiet_nan();
    }
  }
}

}  // namespace cordwood::kernels::scalar
