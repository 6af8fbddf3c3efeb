// Weights of attention on AVX2: eight keys to a vector.
#include "kernels/attention/rows.hpp"
#include "kernels/math/lanes_avx2.hpp"

namespace cordwood::kernels::avx2 {
namespace {

struct Isa : math::Avx2Lanes {
  static Float from_bytes(const uint8_t* bytes) noexcept {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
  }
};

}  // namespace

void attention_weights_f32(const AttentionWeights& task) noexcept {
  weigh_rows<Isa>(task);
}
void attention_values_f32(const AttentionValues& task) noexcept {
  multiply_values<Isa>(task);
}

}  // namespace cordwood::kernels::avx2
