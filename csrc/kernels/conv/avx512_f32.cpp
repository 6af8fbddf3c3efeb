// conv and depthwise on float32: tiles as in avx512icl.cpp, an fma for each sum and input.
#include "kernels/conv/avx512.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/tiles_f32.hpp"

namespace cordwood::kernels::avx512 {

void conv_f32(const ConvF32& task) noexcept {
  run_conv<Numbers<Avx512>>(task);
}

void depthwise_f32(const ConvF32& task) noexcept {
  run_depthwise<ChannelNumbers<Avx512>>(task);
}

}  // namespace cordwood::kernels::avx512
