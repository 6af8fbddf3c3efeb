// Norms and softmax, four floats at a time.
#include "kernels/math/lanes_neon.hpp"
#include "kernels/norms/norm_body.hpp"
#include "kernels/norms/softmax_body.hpp"

namespace cordwood::kernels::neon {

void layer_norm_f32(const NormTask& task) noexcept {
  layer_norm<math::NeonLanes>(task);
}

void rms_norm_f32(const NormTask& task) noexcept {
  rms_norm<math::NeonLanes>(task);
}

void group_norm_f32(const GroupNormTask& task) noexcept {
  group_norm<math::NeonLanes>(task);
}

void softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::NeonLanes, false>(task);
}

void log_softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::NeonLanes, true>(task);
}

}  // namespace cordwood::kernels::neon
