// conv and depthwise on codes, 6 positions by 16 outputs: smull gives products of 16 bits, which are
// widened as they are paired, for two of -128 * -128 pass an int16. Six instructions for 16 products.
#include "kernels/conv/neon.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/tiles.hpp"

namespace cordwood::kernels::neon {
namespace {

struct Pairs : Neon {
  [[gnu::always_inline]] static Ints add_products(Ints sum, int8x16_t inputs,
                                                  int8x16_t weights) noexcept {
    const int16x8_t low = vmull_s8(vget_low_s8(inputs), vget_low_s8(weights));
    const int16x8_t high = vmull_high_s8(inputs, weights);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
};

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run_conv<Codes<Pairs>>(task);
}

void depthwise_u8(const ConvU8& task) noexcept {
  run_depthwise<ChannelCodes<Neon>>(task);
}

}  // namespace cordwood::kernels::neon
