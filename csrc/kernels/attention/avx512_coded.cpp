// Codes of weights of attention on AVX-512: sixteen keys to a vector.
#include "kernels/attention/code_rows.hpp"
#include "kernels/math/lanes_avx512.hpp"

namespace cordwood::kernels::avx512 {
namespace {

struct Isa : math::Avx512Lanes {
  static Mask unset(const uint8_t* bytes) noexcept {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm_testn_epi8_mask(sixteen, sixteen);
  }
  static void store_codes(int16_t* to, Float x) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtepi32_epi16(_mm512_castps_si512(x)));
  }
};

}  // namespace

void attention_codes_f32(const CodedWeights& task) noexcept {
  code_rows<Isa>(task);
}

}  // namespace cordwood::kernels::avx512
