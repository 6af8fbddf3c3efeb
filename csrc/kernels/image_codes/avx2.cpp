// image_codes with vectors of 8.
#include <immintrin.h>
#include <math.h>

#include <cstring>

#include "kernels/image_codes/image_codes.hpp"
#include "kernels/image_codes/step.h"

namespace cordwood::kernels::avx2 {

float image_top_f32(const float* x, uint64_t n) noexcept {
  // As integers, magnitudes are in the same order, with NaN above infinity.
  __m256i tops = _mm256_setzero_si256();
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
    tops = _mm256_max_epi32(tops, _mm256_and_si256(bits, magnitude));
  }
  int32_t each[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(each), tops);
  int32_t top = 0;
  for (const int32_t one : each) top = one > top ? one : top;
  for (; i < n; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7FFFFFFF;
    top = bits > top ? bits : top;
  }
  float number;
  std::memcpy(&number, &top, sizeof number);
  return top >= 0x7F800000 ? INFINITY : number;
}

void image_codes_f32(const ImageCodes& task) noexcept {
  const __m256 factor = _mm256_set1_ps(task.factor);
  const __m256 least = _mm256_set1_ps(task.least);
  const __m256 most = _mm256_set1_ps(task.most);
  const __m256i zero = _mm256_set1_epi32(task.zero);
  const __m256i low_bytes = _mm256_broadcastsi128_si256(_mm_cvtsi32_si128(0x0C080400));
  uint64_t i = 0;
  for (; i + 8 <= task.n; i += 8) {
    const __m256 y = _mm256_mul_ps(_mm256_loadu_ps(task.x + i), factor);
    const __m256i code = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(y, least), most));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_add_epi32(code, zero), low_bytes);
    const int32_t halves[2] = {_mm256_extract_epi32(bytes, 0), _mm256_extract_epi32(bytes, 4)};
    std::memcpy(task.codes + i, halves, sizeof halves);
  }
  for (; i < task.n; ++i) {
    task.codes[i] = cordwood_image_code(task.x[i], task.factor, task.least, task.most, task.zero);
  }
}

}  // namespace cordwood::kernels::avx2
