// unary, sixteen floats at a time.
#include "kernels/math/lanes_avx512.hpp"
#include "kernels/unary/body.hpp"

namespace cordwood::kernels::avx512 {

void unary_f32(const UnaryTask& task) noexcept {
  unary<math::Avx512Lanes>(task);
}

}  // namespace cordwood::kernels::avx512
