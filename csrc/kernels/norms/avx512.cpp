// Norms and softmax, sixteen floats at a time.
#include "kernels/math/lanes_avx512.hpp"
#include "kernels/norms/norm_body.hpp"
#include "kernels/norms/softmax_body.hpp"

namespace cordwood::kernels::avx512 {

void layer_norm_f32(const NormTask& task) noexcept {
  layer_norm<math::Avx512Lanes>(task);
}

void rms_norm_f32(const NormTask& task) noexcept {
  rms_norm<math::Avx512Lanes>(task);
}

void group_norm_f32(const GroupNormTask& task) noexcept {
  group_norm<math::Avx512Lanes>(task);
}

void softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::Avx512Lanes, false>(task);
}

void log_softmax_f32(const SoftmaxTask& task) noexcept {
  softmax<math::Avx512Lanes, true>(task);
}

}  // namespace cordwood::kernels::avx512
