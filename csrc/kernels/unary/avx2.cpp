// unary, eight floats at a time.
#include "kernels/math/lanes_avx2.hpp"
#include "kernels/unary/body.hpp"

namespace cordwood::kernels::avx2 {

void unary_f32(const UnaryTask& task) noexcept {
  unary<math::Avx2Lanes>(task);
}

}  // namespace cordwood::kernels::avx2
