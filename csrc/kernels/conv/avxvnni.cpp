// conv on codes with vpdpbusd on 32-byte vectors: 6 positions by 16 outputs, 12 sums in registers.
//
// A step is two loads of weights and 6 broadcasts against 12 multiply-adds, two a cycle: they bind.
#include "kernels/conv/avx2.hpp"
#include "kernels/conv/tiles.hpp"

namespace cordwood::kernels::avxvnni {
namespace {

struct Dot : Avx2 {
  using Inputs = __m256i;
  using Weights = __m256i;
  [[gnu::always_inline]] static __m256i inputs(const uint8_t* four) noexcept {
    return _mm256_set1_epi32(load<int32_t>(four));
  }
  [[gnu::always_inline]] static __m256i weights(const int8_t* bytes) noexcept {
    return load<__m256i>(bytes);
  }
  [[gnu::always_inline]] static Ints add_products(Ints sum, __m256i inputs,
                                                  __m256i weights) noexcept {
    return reinterpret_cast<Ints>(
        _mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sum), inputs, weights));
  }
};

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run_conv<Codes<Dot>>(task);
}

}  // namespace cordwood::kernels::avxvnni
