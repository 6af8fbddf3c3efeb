// Starting kernels, with every failure as a Status.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cuda/status.hpp"

namespace cordwood::cuda {

/// Shared memory that a block may have without asking for more.
inline constexpr std::size_t kPlainSharedBytes = std::size_t{48} << 10;

inline constexpr uint32_t kWarp = 32;

struct Launch {
  dim3 grid;
  dim3 threads;
  std::size_t shared_bytes;
  cudaStream_t stream;
  const char* place;  ///< for messages
};

/// Lets a kernel have as much shared memory as the current device gives a block: always the same, because
/// other threads may start it between this and a launch.
inline Status allow_shared(const void* kernel, const char* place) noexcept {
  int device = 0;
  int most = 0;
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaGetDevice(&device), place);
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), place);
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), place);
  return {};
}

/// Starts a kernel; it may still run when this returns. An empty grid starts nothing.
template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), const Launch& how, Arguments&&... arguments) noexcept {
  if (how.grid.x == 0 || how.grid.y == 0) return {};
  if (how.shared_bytes > kPlainSharedBytes) {
    CORDWOOD_RETURN_IF_FAILED(allow_shared(reinterpret_cast<const void*>(kernel), how.place));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = how.grid;
  config.blockDim = how.threads;
  config.dynamicSmemBytes = how.shared_bytes;
  config.stream = how.stream;
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), how.place);
  return {};
}

constexpr uint32_t blocks_for(uint64_t work, uint64_t of_block) noexcept {
  return static_cast<uint32_t>((work + of_block - 1) / of_block);
}

}  // namespace cordwood::cuda
