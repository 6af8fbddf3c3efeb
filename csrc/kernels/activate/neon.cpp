// activate, four floats at a time.
#include "kernels/activate/body.hpp"
#include "kernels/math/lanes_neon.hpp"

namespace cordwood::kernels::neon {

void activate_f32(const ActivateTask& task) noexcept {
  activate<math::NeonLanes>(task);
}

}  // namespace cordwood::kernels::neon
