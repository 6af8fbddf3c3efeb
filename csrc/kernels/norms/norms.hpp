// Kernels that look at a whole row before they answer for its elements: layer_norm, rms_norm,
// group_norm, softmax and log_softmax (docs/graph.md, operators 37, 38, 39 and 41).
//
// Sums go over sixteen lanes, element i to lane i mod 16, whatever the row's vectors hold.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Rows of a layer_norm or an rms_norm, C order. `out` may be `x` or `residual`.
struct NormTask {
  const float* x;         ///< [n_rows, n]
  const float* residual;  ///< [n_rows, n], added to x first; or null
  float* sum;             ///< [n_rows, n], where x + residual goes; or null
  float* out;             ///< [n_rows, n]
  const float* weight;    ///< [n]; or null
  const float* bias;      ///< [n]; or null. Not of an rms_norm
  uint64_t n_rows;
  uint64_t n;
  float epsilon;
  float weight_offset;  ///< of an rms_norm: added to each weight
};

/// Images of a group_norm, C order. `out` may be `x`.
struct GroupNormTask {
  const float* x;  ///< [n_images, groups * channels, positions]
  float* out;
  const float* weight;  ///< [groups * channels]; or null
  const float* bias;    ///< [groups * channels]; or null
  uint64_t n_images;
  uint64_t groups;
  uint64_t channels;  ///< of one group
  uint64_t positions;
  float epsilon;
};

/// An axis of n with `inner` elements from one of its elements to the next. `out` may be `x`.
struct SoftmaxTask {
  const float* x;  ///< [outer, n, inner]
  float* out;
  uint64_t outer;
  uint64_t n;
  uint64_t inner;
};

using NormF32 = void (*)(const NormTask&) noexcept;
using GroupNormF32 = void (*)(const GroupNormTask&) noexcept;
using SoftmaxF32 = void (*)(const SoftmaxTask&) noexcept;

namespace scalar {
void layer_norm_f32(const NormTask& task) noexcept;
void rms_norm_f32(const NormTask& task) noexcept;
void group_norm_f32(const GroupNormTask& task) noexcept;
void softmax_f32(const SoftmaxTask& task) noexcept;
void log_softmax_f32(const SoftmaxTask& task) noexcept;
}  // namespace scalar
namespace avx2 {
void layer_norm_f32(const NormTask& task) noexcept;
void rms_norm_f32(const NormTask& task) noexcept;
void group_norm_f32(const GroupNormTask& task) noexcept;
void softmax_f32(const SoftmaxTask& task) noexcept;
void log_softmax_f32(const SoftmaxTask& task) noexcept;
}  // namespace avx2
namespace avx512 {
void layer_norm_f32(const NormTask& task) noexcept;
void rms_norm_f32(const NormTask& task) noexcept;
void group_norm_f32(const GroupNormTask& task) noexcept;
void softmax_f32(const SoftmaxTask& task) noexcept;
void log_softmax_f32(const SoftmaxTask& task) noexcept;
}  // namespace avx512
namespace neon {
void layer_norm_f32(const NormTask& task) noexcept;
void rms_norm_f32(const NormTask& task) noexcept;
void group_norm_f32(const GroupNormTask& task) noexcept;
void softmax_f32(const SoftmaxTask& task) noexcept;
void log_softmax_f32(const SoftmaxTask& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
