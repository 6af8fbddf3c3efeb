// conv and depthwise on codes with vpdpbusd: 24 sums in registers, as 24 positions by 16 outputs, 12 by
// 32 or 6 by 64.
//
// A step of 24 positions by 16 outputs is a load of weights and 24 broadcasts against 24 multiply-adds,
// of 12 by 32 two and 12: the processor takes two loads and two multiply-adds a cycle, so loads bind the
// first at 96 % and nothing the second. A tile ends with some nine instructions for each sum, a tenth of
// the whole where windows have 144 inputs.
#include "kernels/conv/avx512.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/tiles.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

struct Dot : Avx512 {
  using Inputs = __m512i;
  using Weights = __m512i;
  [[gnu::always_inline]] static __m512i inputs(const uint8_t* four) noexcept {
    return _mm512_set1_epi32(load<int32_t>(four));
  }
  [[gnu::always_inline]] static __m512i weights(const int8_t* bytes) noexcept {
    return _mm512_loadu_si512(bytes);
  }
  [[gnu::always_inline]] static Ints add_products(Ints sum, __m512i inputs,
                                                  __m512i weights) noexcept {
    return reinterpret_cast<Ints>(
        _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), inputs, weights));
  }
  [[gnu::always_inline]] static Ints add_small(Ints sum, Ints a, Ints b) noexcept {
    return reinterpret_cast<Ints>(_mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sum),
                                                      reinterpret_cast<__m512i>(a),
                                                      reinterpret_cast<__m512i>(b)));
  }
};

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run_conv<Codes<Dot>>(task);
}

void depthwise_u8(const ConvU8& task) noexcept {
  run_depthwise<ChannelCodes<Dot>>(task);
}

}  // namespace cordwood::kernels::avx512icl
