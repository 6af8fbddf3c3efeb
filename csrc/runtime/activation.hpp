// A function over the finished answers of a product, block by block while they are in cache.
#pragma once

#include <cstdint>

#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// An activation with its attributes; nothing where it is not wanted.
struct Activation {
  bool wanted = false;
  uint32_t kind = 0;  ///< enum cordwood_activation_kind
  float alpha = 0.0f;
  float beta = 0.0f;
};

/// Rows of a block that lie `stride` floats apart, in place.
inline void activate_block(const ArrayKernels& kernels, const Activation& activation, float* block,
                           uint64_t stride, uint64_t n_rows, uint64_t n_columns) noexcept {
  if (!activation.wanted) return;
  for (uint64_t row = 0; row < n_rows; ++row) {
    float* answers = block + row * stride;
    kernels.activate_f32({.x = answers,
                          .out = answers,
                          .slopes = nullptr,
                          .n = n_columns,
                          .kind = activation.kind,
                          .alpha = activation.alpha,
                          .beta = activation.beta});
  }
}

}  // namespace cordwood::runtime
