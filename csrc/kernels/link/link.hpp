// Contract of the link kernels: margins in, responses or probabilities out, in one type.
// Every value is computed in float64 by the steps of step.h, in one fixed order without fused
// operations, and rounded once to the type. All instruction-set rows give the same bits.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// One block of margins, C order. `out` may be `margin` itself where it is as wide.
template <class T>
struct LinkTask {
  const T* margin;  ///< [n_rows, n_columns]
  T* out;  ///< [n_rows, n_columns]; 2 columns with `complement` and of a sigmoid_pair, 1 of
           ///< the logit of up to 2
  uint64_t n_rows;
  uint64_t n_columns;
  double scale;         ///< factor of a sigmoid, sigmoid_pair, softmax or logit; else 1
  double offset;        ///< what a shift subtracts, what a logit clips at; else 0
  uint32_t kind;        ///< enum cordwood_link_kind
  uint32_t complement;  ///< 1: columns are 1 - p and p of a one-column margin
};

using LinkF32 = void (*)(const LinkTask<float>&) noexcept;
using LinkF64 = void (*)(const LinkTask<double>&) noexcept;

// Every kind but the logit, which has kernels of its own and in the scalar row alone: it stands once
// a row in front of hundreds of trees, between an initial estimator and the stages that follow.
namespace scalar {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
void logit_f32(const LinkTask<float>& task) noexcept;
void logit_f64(const LinkTask<double>& task) noexcept;
}  // namespace scalar

namespace avx2 {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace avx2

namespace avx512 {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace avx512

namespace neon {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
