// qmatmul_f32 on AVX2: tiles of 3 rows by 32 outputs, 12 sums in registers.
#include "kernels/qmatmul/avx2.hpp"
#include "kernels/qmatmul/panels_f32.hpp"

namespace cordwood::kernels::avx2 {
namespace {

struct Isa : Avx2 {
  static Floats from_float16(const uint8_t* halves) noexcept {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
  }
};

}  // namespace

void qmatmul_f32(const QmatmulF32& task) noexcept {
  run_panels<Isa>(task);
}

}  // namespace cordwood::kernels::avx2
