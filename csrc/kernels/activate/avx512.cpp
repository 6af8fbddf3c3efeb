// activate, sixteen floats at a time.
#include "kernels/activate/body.hpp"
#include "kernels/math/lanes_avx512.hpp"

namespace cordwood::kernels::avx512 {

void activate_f32(const ActivateTask& task) noexcept {
  activate<math::Avx512Lanes>(task);
}

}  // namespace cordwood::kernels::avx512
