// batch_norm with vectors of 8: memory binds.
#include <immintrin.h>
#include <math.h>

#include "kernels/batch_norm/batch_norm.hpp"

namespace cordwood::kernels::avx2 {

void batch_norm_f32(const BatchNorm& task) noexcept {
  const bool planes = task.planes != 0;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.n;
    float* out = task.out + row * task.n;
    uint64_t i = 0;
    for (; i + 8 <= task.n; i += 8) {
      const __m256 factor =
          planes ? _mm256_set1_ps(task.factor[row]) : _mm256_loadu_ps(task.factor + i);
      const __m256 offset =
          planes ? _mm256_set1_ps(task.offset[row]) : _mm256_loadu_ps(task.offset + i);
      _mm256_storeu_ps(out + i, _mm256_fmadd_ps(_mm256_loadu_ps(x + i), factor, offset));
    }
    for (; i < task.n; ++i) {
      const uint64_t channel = planes ? row : i;
      out[i] = fmaf(x[i], task.factor[channel], task.offset[channel]);
    }
  }
}

}  // namespace cordwood::kernels::avx2
