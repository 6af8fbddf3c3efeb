// image_codes with vectors of 16: four instructions to a code; memory binds.
#include <immintrin.h>
#include <math.h>

#include "kernels/image_codes/image_codes.hpp"
#include "kernels/image_codes/step.h"

namespace cordwood::kernels::avx512 {

float image_top_f32(const float* x, uint64_t n) noexcept {
  // As integers, magnitudes are in the same order, with NaN above infinity.
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i top = _mm512_setzero_si512();
  for (uint64_t i = 0; i < n; i += 16) {
    const uint64_t left = n - i;
    const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1u);
    const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(lanes, x + i));
    top = _mm512_max_epi32(top, _mm512_and_si512(bits, magnitude));
  }
  const int32_t most = _mm512_reduce_max_epi32(top);
  return most >= 0x7F800000 ? INFINITY
                            : _mm512_cvtss_f32(_mm512_castsi512_ps(_mm512_set1_epi32(most)));
}

void image_codes_f32(const ImageCodes& task) noexcept {
  const __m512 factor = _mm512_set1_ps(task.factor);
  const __m512 least = _mm512_set1_ps(task.least);
  const __m512 most = _mm512_set1_ps(task.most);
  const __m512i zero = _mm512_set1_epi32(task.zero);
  uint64_t i = 0;
  for (; i + 16 <= task.n; i += 16) {
    const __m512 y = _mm512_mul_ps(_mm512_loadu_ps(task.x + i), factor);
    const __m512i code = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(y, least), most));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(task.codes + i),
                     _mm512_cvtepi32_epi8(_mm512_add_epi32(code, zero)));
  }
  for (; i < task.n; ++i) {
    task.codes[i] = cordwood_image_code(task.x[i], task.factor, task.least, task.most, task.zero);
  }
}

}  // namespace cordwood::kernels::avx512
