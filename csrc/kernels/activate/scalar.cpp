// activate, one float at a time: what every other row is held against.
#include "kernels/activate/body.hpp"
#include "kernels/math/lanes_scalar.hpp"

namespace cordwood::kernels::scalar {

void activate_f32(const ActivateTask& task) noexcept {
  activate<math::ScalarLanes>(task);
}

}  // namespace cordwood::kernels::scalar
