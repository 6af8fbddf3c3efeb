// unary_f32: one value, element by element (docs/graph.md, operator 48), float32 to float32. The kinds
// that answer with truth are not of this kernel.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct UnaryTask {
  const float* x;
  float* out;  ///< may be x
  uint64_t n;
  uint32_t kind;  ///< enum cordwood_unary_kind
};

using UnaryF32 = void (*)(const UnaryTask&) noexcept;

namespace scalar {
void unary_f32(const UnaryTask& task) noexcept;
}  // namespace scalar
namespace avx2 {
void unary_f32(const UnaryTask& task) noexcept;
}  // namespace avx2
namespace avx512 {
void unary_f32(const UnaryTask& task) noexcept;
}  // namespace avx512
namespace neon {
void unary_f32(const UnaryTask& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
