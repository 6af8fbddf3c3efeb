// pool with vectors of 32 bytes.
#include "kernels/pool/windows.hpp"

namespace cordwood::kernels::avx2 {

void pool_max_f32(const PoolF32& task) noexcept {
  run_pool<MaxFold<32>>(task.x, task.out, task.windows, task.divisor);
}

void pool_mean_f32(const PoolF32& task) noexcept {
  run_pool<MeanFold<32>>(task.x, task.out, task.windows, task.divisor);
}

void pool_max_u8(const PoolU8& task) noexcept {
  run_pool<CodeFold<32>>(task.x, task.out, task.windows, 0.0f);
}

}  // namespace cordwood::kernels::avx2
