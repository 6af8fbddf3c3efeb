// Packing, turning and ending on AVX2. A square is 8 by 8: halves of two rows side by side, then two
// rounds of shuffles, 16 of them for 64 numbers.
#include <immintrin.h>

#include "kernels/matmul/rows.hpp"

namespace cordwood::kernels::avx2 {
namespace {

struct Avx2 {
  static constexpr uint32_t kBytes = 32;

  /// Four numbers of a row, and four of the row four below, which will stand right of them.
  [[gnu::always_inline]] static __m256 two_rows(const float* from, uint64_t stride) noexcept {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                _mm_loadu_ps(from + 4 * stride), 1);
  }

  static void turn_square(const float* from, uint64_t from_stride, float* to,
                          uint64_t to_stride) noexcept {
    for (uint64_t half = 0; half < 2; ++half) {
      const __m256 a = two_rows(from, from_stride);
      const __m256 b = two_rows(from + from_stride, from_stride);
      const __m256 c = two_rows(from + 2 * from_stride, from_stride);
      const __m256 d = two_rows(from + 3 * from_stride, from_stride);
      const __m256 ab_low = _mm256_unpacklo_ps(a, b);
      const __m256 ab_high = _mm256_unpackhi_ps(a, b);
      const __m256 cd_low = _mm256_unpacklo_ps(c, d);
      const __m256 cd_high = _mm256_unpackhi_ps(c, d);
      _mm256_storeu_ps(to, _mm256_shuffle_ps(ab_low, cd_low, 0x44));
      _mm256_storeu_ps(to + to_stride, _mm256_shuffle_ps(ab_low, cd_low, 0xEE));
      _mm256_storeu_ps(to + 2 * to_stride, _mm256_shuffle_ps(ab_high, cd_high, 0x44));
      _mm256_storeu_ps(to + 3 * to_stride, _mm256_shuffle_ps(ab_high, cd_high, 0xEE));
      from += 4;
      to += 4 * to_stride;
    }
  }
};

}  // namespace

void transpose_f32(const Transpose& task) noexcept {
  turn<Avx2>(task);
}
bool pack_rows_f32(const PackRows& task) noexcept {
  return pack<Avx2>(task);
}
void end_rows_f32(const EndRows& task) noexcept {
  end<Avx2>(task);
}

}  // namespace cordwood::kernels::avx2
