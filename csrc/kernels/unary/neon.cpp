// unary, four floats at a time.
#include "kernels/math/lanes_neon.hpp"
#include "kernels/unary/body.hpp"

namespace cordwood::kernels::neon {

void unary_f32(const UnaryTask& task) noexcept {
  unary<math::NeonLanes>(task);
}

}  // namespace cordwood::kernels::neon
