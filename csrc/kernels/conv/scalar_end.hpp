// What becomes of one finished output, plainly.
#pragma once

#include <math.h>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/step.h"

namespace cordwood::kernels::scalar {
namespace {

/// The bias of an output, less what the residual's zero point adds.
inline float bias_of(const ConvEnd& end, uint32_t output) noexcept {
  const float bias = end.bias != nullptr ? end.bias[output] : 0.0f;
  if (end.residual_codes == nullptr) return bias;
  const float offset = static_cast<float>(end.residual_zero) * end.residual_scale;
  return bias - offset;
}

inline bool has_bias(const ConvEnd& end) noexcept {
  return end.bias != nullptr || end.residual_codes != nullptr;
}

inline void finish(const ConvEnd& end, float y, uint32_t row, uint32_t position,
                   uint32_t output) noexcept {
  const uint64_t within = position * end.position_stride + output;
  const uint64_t residual_at = row * end.residual_row_stride + within;
  if (end.residual != nullptr) y += end.residual[residual_at];
  if (end.residual_codes != nullptr) {
    y = fmaf(static_cast<float>(end.residual_codes[residual_at]), end.residual_scale, y);
  }
  const uint64_t at = row * end.row_stride + within;
  if (end.codes != nullptr) {
    end.codes[at] = cordwood_conv_code(y, end.inverse, end.least, end.most, end.zero, end.flip);
  } else {
    end.out[at] = end.cut != 0 ? cordwood_conv_cut(y, end.low, end.high) : y;
  }
}

}  // namespace
}  // namespace cordwood::kernels::scalar
