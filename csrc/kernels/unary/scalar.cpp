// unary, one float at a time: what every other row is held against.
#include "kernels/math/lanes_scalar.hpp"
#include "kernels/unary/body.hpp"

namespace cordwood::kernels::scalar {

void unary_f32(const UnaryTask& task) noexcept {
  unary<math::ScalarLanes>(task);
}

}  // namespace cordwood::kernels::scalar
