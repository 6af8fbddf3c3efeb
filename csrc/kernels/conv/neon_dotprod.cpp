// conv on codes with sdot, 6 positions by 16 outputs: 24 sums in registers.
#include "kernels/conv/neon.hpp"
#include "kernels/conv/tiles.hpp"

namespace cordwood::kernels::neon_dotprod {
namespace {

struct Dot : Neon {
  [[gnu::always_inline]] static Ints add_products(Ints sum, int8x16_t inputs,
                                                  int8x16_t weights) noexcept {
    return vdotq_s32(sum, weights, inputs);
  }
};

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run_conv<Codes<Dot>>(task);
}

}  // namespace cordwood::kernels::neon_dotprod
