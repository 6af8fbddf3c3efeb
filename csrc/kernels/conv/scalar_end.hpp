// What becomes of one finished output, plainly.
#pragma once

#include "kernels/conv/conv.hpp"
#include "kernels/conv/step.h"

namespace cordwood::kernels::scalar {
namespace {

inline void finish(const ConvEnd& end, float y, uint32_t row, uint32_t position,
                   uint32_t output) noexcept {
  const uint64_t within = position * end.position_stride + output;
  if (end.residual != nullptr) y += end.residual[row * end.residual_row_stride + within];
  if (end.residual_codes != nullptr) {
    const int32_t code = end.residual_codes[row * end.residual_row_stride + within];
    const float number = static_cast<float>(code - end.residual_zero) * end.residual_scale;
    y += number;
  }
  const uint64_t at = row * end.row_stride + within;
  if (end.codes != nullptr) {
    end.codes[at] = cordwood_conv_code(y, end.inverse, end.least, end.most, end.zero);
  } else {
    end.out[at] = end.cut != 0 ? cordwood_conv_cut(y, end.low, end.high) : y;
  }
}

}  // namespace
}  // namespace cordwood::kernels::scalar
