// Weights of attention on AVX-512: sixteen keys to a vector.
#include "kernels/attention/rows.hpp"
#include "kernels/math/lanes_avx512.hpp"

namespace cordwood::kernels::avx512 {
namespace {

struct Isa : math::Avx512Lanes {
  static Float from_bytes(const uint8_t* bytes) noexcept {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(sixteen));
  }
};

}  // namespace

void attention_weights_f32(const AttentionWeights& task) noexcept {
  weigh_rows<Isa>(task);
}
void attention_values_f32(const AttentionValues& task) noexcept {
  multiply_values<Isa>(task);
}

}  // namespace cordwood::kernels::avx512
