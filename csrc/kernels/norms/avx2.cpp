// Norms and softmax, eight floats at a time.
#include "kernels/math/lanes_avx2.hpp"
#include "kernels/norms/norm_body.hpp"
#include "kernels/norms/softmax_body.hpp"

namespace cordwood::kernels::avx2 {

void layer_norm_f32(const NormTask& task) noexcept {
  layer_norm<math::Avx2Lanes>(task);
}

void rms_norm_f32(const NormTask& task) noexcept {
  rms_norm<math::Avx2Lanes>(task);
}

void group_norm_f32(const GroupNormTask& task) noexcept {
  group_norm<math::Avx2Lanes>(task);
}

void softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::Avx2Lanes, false>(task);
}

void log_softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::Avx2Lanes, true>(task);
}

}  // namespace cordwood::kernels::avx2
