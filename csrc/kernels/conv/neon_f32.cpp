// conv and depthwise on float32: 6 positions by 16 outputs, 24 sums in registers.
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/neon.hpp"
#include "kernels/conv/tiles_f32.hpp"

namespace cordwood::kernels::neon {

void conv_f32(const ConvF32& task) noexcept {
  run_conv<Numbers<Neon>>(task);
}

void depthwise_f32(const ConvF32& task) noexcept {
  run_depthwise<ChannelNumbers<Neon>>(task);
}

}  // namespace cordwood::kernels::neon
