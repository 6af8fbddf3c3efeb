// Contract of the link kernels: margins in, responses or probabilities out, in one type.
// Every value is computed in float64 by the steps of step.h, in one fixed order without fused
// operations, and rounded once to the type. All instruction-set rows give the same bits.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// One block of margins, C order. `out` may be `margin` itself unless `complement` is set.
template <class T>
struct LinkTask {
  const T* margin;  ///< [n_rows, n_columns]
  T* out;           ///< [n_rows, n_columns], or [n_rows, 2] with `complement`
  uint64_t n_rows;
  uint64_t n_columns;
  double scale;         ///< factor on the margin of a sigmoid
  uint32_t kind;        ///< enum cordwood_link_kind
  uint32_t complement;  ///< 1: columns are 1 - p and p of a one-column margin
};

using LinkF32 = void (*)(const LinkTask<float>&) noexcept;
using LinkF64 = void (*)(const LinkTask<double>&) noexcept;

namespace scalar {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace scalar

namespace avx2 {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace avx2

namespace avx512icl {
void link_f32(const LinkTask<float>& task) noexcept;
void link_f64(const LinkTask<double>& task) noexcept;
}  // namespace avx512icl

}  // namespace cordwood::kernels
