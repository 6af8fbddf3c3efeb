// conv and depthwise on float32: 6 positions by 16 outputs, 12 sums in registers.
#include "kernels/conv/avx2.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/tiles_f32.hpp"

namespace cordwood::kernels::avx2 {

void conv_f32(const ConvF32& task) noexcept {
  run_conv<Numbers<Avx2>>(task);
}

void depthwise_f32(const ConvF32& task) noexcept {
  run_depthwise<ChannelNumbers<Avx2>>(task);
}

}  // namespace cordwood::kernels::avx2
