// activate, eight floats at a time.
#include "kernels/activate/body.hpp"
#include "kernels/math/lanes_avx2.hpp"

namespace cordwood::kernels::avx2 {

void activate_f32(const ActivateTask& task) noexcept {
  activate<math::Avx2Lanes>(task);
}

}  // namespace cordwood::kernels::avx2
