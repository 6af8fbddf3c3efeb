// pool, plainly: one channel of one position at a time.
#include <math.h>

#include "kernels/pool/pool.hpp"
#include "kernels/pool/step.h"

namespace cordwood::kernels::scalar {
namespace {

cordwood_pool_range meet(const PoolAxis& axis, uint32_t at) noexcept {
  return cordwood_pool_meet(at, axis.size, axis.kernel, axis.stride, axis.dilation, axis.before);
}

float tidy(float y) noexcept {
  return y == y ? y : NAN;
}

struct Max {
  float y = -INFINITY;
  void add(float x) noexcept { y = x > y || x != x ? x : y; }
  [[nodiscard]] float end(float) const noexcept { return tidy(y); }
};

struct Mean {
  float y = 0.0f;
  void add(float x) noexcept { y += x; }
  [[nodiscard]] float end(float divisor) const noexcept { return tidy(y / divisor); }
};

struct MaxCode {
  uint8_t y = 0;
  void add(uint8_t x) noexcept { y = x > y ? x : y; }
  [[nodiscard]] uint8_t end(float) const noexcept { return y; }
};

template <class Fold, class Number>
void run(const Number* x, Number* out, const PoolWindows& windows, float divisor) noexcept {
  const cordwood_pool_range planes = meet(windows.axes[0], windows.plane);
  const cordwood_pool_range rows = meet(windows.axes[1], windows.row);
  for (uint32_t position = 0; position < windows.n_positions; ++position) {
    const cordwood_pool_range own = meet(windows.axes[2], position);
    const float met = static_cast<float>(uint64_t{planes.count} * rows.count * own.count);
    for (uint32_t channel = 0; channel < windows.n_channels; ++channel) {
      Fold fold;
      for (uint32_t z = 0; z < planes.count; ++z) {
        for (uint32_t y = 0; y < rows.count; ++y) {
          for (uint32_t k = 0; k < own.count; ++k) {
            const uint64_t plane = planes.first + uint64_t{z} * windows.axes[0].dilation;
            const uint64_t row = rows.first + uint64_t{y} * windows.axes[1].dilation;
            const uint64_t at = own.first + uint64_t{k} * windows.axes[2].dilation;
            fold.add(x[plane * windows.plane_stride + row * windows.row_stride +
                       at * windows.n_channels + channel]);
          }
        }
      }
      out[uint64_t{position} * windows.n_channels + channel] =
          fold.end(divisor != 0.0f ? divisor : met);
    }
  }
}

}  // namespace

void pool_max_f32(const PoolF32& task) noexcept {
  run<Max>(task.x, task.out, task.windows, task.divisor);
}

void pool_mean_f32(const PoolF32& task) noexcept {
  run<Mean>(task.x, task.out, task.windows, task.divisor);
}

void pool_max_u8(const PoolU8& task) noexcept {
  run<MaxCode>(task.x, task.out, task.windows, 0.0f);
}

}  // namespace cordwood::kernels::scalar
