// conv and depthwise on codes with vpmaddwd: bytes become 16 bits, of which pairs are multiplied and
// added without loss; 4 positions by 16 outputs.
//
// vpmaddubsw would saturate: a pair of products of bytes reaches 2 * 255 * 128. Weights and inputs are
// taken apart once for all sums of a tile: a step is 6 instructions for weights, 3 for each position and
// 4 for each sum, half the rate of avxvnni at best.
#include "kernels/conv/avx2.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/tiles.hpp"

namespace cordwood::kernels::avx2 {
namespace {

struct Pairs : Avx2 {
  static constexpr uint32_t kMostSums = 8;
  /// Bytes 0 and 2 of each four, and bytes 1 and 3, as 16 bits.
  struct Halves {
    __m256i even;
    __m256i odd;
  };
  using Inputs = Halves;
  using Weights = Halves;
  [[gnu::always_inline]] static Halves inputs(const uint8_t* four) noexcept {
    const __m256i bytes = _mm256_set1_epi32(load<int32_t>(four));
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
  }
  [[gnu::always_inline]] static Halves weights(const int8_t* from) noexcept {
    const auto bytes = load<__m256i>(from);
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  [[gnu::always_inline]] static Ints add_products(Ints sum, Halves inputs,
                                                  Halves weights) noexcept {
    sum += reinterpret_cast<Ints>(_mm256_madd_epi16(inputs.even, weights.even));
    return sum + reinterpret_cast<Ints>(_mm256_madd_epi16(inputs.odd, weights.odd));
  }
};

}  // namespace

void conv_u8(const ConvU8& task) noexcept {
  run_conv<Codes<Pairs>>(task);
}

void depthwise_u8(const ConvU8& task) noexcept {
  run_depthwise<ChannelCodes<Avx2>>(task);
}

}  // namespace cordwood::kernels::avx2
