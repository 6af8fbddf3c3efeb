// Norms and softmax, one float at a time: what every other row is held against.
#include "kernels/math/lanes_scalar.hpp"
#include "kernels/norms/norm_body.hpp"
#include "kernels/norms/softmax_body.hpp"

namespace cordwood::kernels::scalar {

void layer_norm_f32(const NormTask& task) noexcept {
  layer_norm<math::ScalarLanes>(task);
}

void rms_norm_f32(const NormTask& task) noexcept {
  rms_norm<math::ScalarLanes>(task);
}

void group_norm_f32(const GroupNormTask& task) noexcept {
  group_norm<math::ScalarLanes>(task);
}

void softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::ScalarLanes, false>(task);
}

void log_softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::ScalarLanes, true>(task);
}

}  // namespace cordwood::kernels::scalar
