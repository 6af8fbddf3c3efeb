// batch_norm, plainly.
#include "kernels/batch_norm/batch_norm.hpp"

#include <math.h>

namespace cordwood::kernels::scalar {

void batch_norm_f32(const BatchNorm& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    for (uint64_t i = 0; i < task.n; ++i) {
      const uint64_t channel = task.planes != 0 ? row : i;
      const uint64_t at = row * task.n + i;
      task.out[at] = fmaf(task.x[at], task.factor[channel], task.offset[channel]);
    }
  }
}

}  // namespace cordwood::kernels::scalar
