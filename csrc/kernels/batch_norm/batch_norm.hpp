// batch_norm: y = fma(x, factor, offset) by channel (docs/graph.md, 36), over rows of channels-last
// numbers, or over planes of one channel each.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct BatchNorm {
  const float* x;  ///< [row][number]; out may be x
  float* out;
  const float* factor;  ///< [number], or with `planes` [row]
  const float* offset;
  uint64_t n_rows;
  uint64_t n;  ///< numbers of a row
  uint32_t planes;
};

using BatchNormF32 = void (*)(const BatchNorm& task) noexcept;

namespace scalar {
void batch_norm_f32(const BatchNorm& task) noexcept;
}
namespace avx2 {
void batch_norm_f32(const BatchNorm& task) noexcept;
}
namespace avx512 {
void batch_norm_f32(const BatchNorm& task) noexcept;
}

}  // namespace cordwood::kernels
