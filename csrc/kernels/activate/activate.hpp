// activate_f32: what a net does to each element between its layers (docs/graph.md, operator 40).
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct ActivateTask {
  const float* x;
  float* out;           ///< may be x
  const float* slopes;  ///< of prelu: one for each element, or null for alpha everywhere
  uint64_t n;
  uint32_t kind;  ///< enum cordwood_activation_kind
  float alpha;
  float beta;
};

using ActivateF32 = void (*)(const ActivateTask&) noexcept;

namespace scalar {
void activate_f32(const ActivateTask& task) noexcept;
}  // namespace scalar
namespace avx2 {
void activate_f32(const ActivateTask& task) noexcept;
}  // namespace avx2
namespace avx512 {
void activate_f32(const ActivateTask& task) noexcept;
}  // namespace avx512
namespace neon {
void activate_f32(const ActivateTask& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
