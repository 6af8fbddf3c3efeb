// pool with vectors of 16 bytes.
#include "kernels/pool/windows.hpp"

namespace cordwood::kernels::neon {

void pool_max_f32(const PoolF32& task) noexcept {
  run_pool<MaxFold<16>>(task.x, task.out, task.windows, task.divisor);
}

void pool_mean_f32(const PoolF32& task) noexcept {
  run_pool<MeanFold<16>>(task.x, task.out, task.windows, task.divisor);
}

void pool_max_u8(const PoolU8& task) noexcept {
  run_pool<CodeFold<16>>(task.x, task.out, task.windows, 0.0f);
}

}  // namespace cordwood::kernels::neon
