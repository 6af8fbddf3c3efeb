// batch_norm with vectors of 16: memory binds.
#include <immintrin.h>
#include <math.h>

#include "kernels/batch_norm/batch_norm.hpp"

namespace cordwood::kernels::avx512 {

void batch_norm_f32(const BatchNorm& task) noexcept {
  const bool planes = task.planes != 0;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.n;
    float* out = task.out + row * task.n;
    uint64_t i = 0;
    for (; i + 16 <= task.n; i += 16) {
      const __m512 factor =
          planes ? _mm512_set1_ps(task.factor[row]) : _mm512_loadu_ps(task.factor + i);
      const __m512 offset =
          planes ? _mm512_set1_ps(task.offset[row]) : _mm512_loadu_ps(task.offset + i);
      _mm512_storeu_ps(out + i, _mm512_fmadd_ps(_mm512_loadu_ps(x + i), factor, offset));
    }
    for (; i < task.n; ++i) {
      const uint64_t channel = planes ? row : i;
      out[i] = fmaf(x[i], task.factor[channel], task.offset[channel]);
    }
  }
}

}  // namespace cordwood::kernels::avx512
