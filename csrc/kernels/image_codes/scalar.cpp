// image_codes, plainly.
#include <math.h>

#include "kernels/image_codes/image_codes.hpp"
#include "kernels/image_codes/step.h"

namespace cordwood::kernels::scalar {

float image_top_f32(const float* x, uint64_t n) noexcept {
  float top = 0.0f;
  for (uint64_t i = 0; i < n; ++i) {
    const float magnitude = fabsf(x[i]);
    if (!(magnitude < INFINITY)) return INFINITY;
    if (magnitude > top) top = magnitude;
  }
  return top;
}

void image_codes_f32(const ImageCodes& task) noexcept {
  for (uint64_t i = 0; i < task.n; ++i) {
    task.codes[i] = cordwood_image_code(task.x[i], task.factor, task.least, task.most, task.zero);
  }
}

}  // namespace cordwood::kernels::scalar
