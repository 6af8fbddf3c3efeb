#include "cuda/memory_pool.hpp"

#include <array>
#include <atomic>
#include <cstdint>

#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

constexpr const char* kPlace = "memory of the device";
constexpr int kMostDevices = 64;

/// By device; null until it is needed. They stay until the process ends: the runtime may be gone before
/// static objects are.
std::array<std::atomic<cudaMemPool_t>, kMostDevices> pools{};

Result<int> current_device() noexcept {
  int device = 0;
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaGetDevice(&device), kPlace);
  if (device < kMostDevices) return device;
  return fail(CORDWOOD_STATUS_device_not_available, kPlace, "device {}, expected one below {}",
              device, kMostDevices);
}

Result<cudaMemPool_t> make_pool(int device) noexcept {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  cudaMemPool_t pool = nullptr;
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemPoolCreate(&pool, &properties), kPlace);
  uint64_t keeps = kPoolKeeps;
  const cudaError_t error = cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keeps);
  if (error == cudaSuccess) return pool;
  const Status status = status_of(error, kPlace);
  note(cudaMemPoolDestroy(pool));
  return status;
}

}  // namespace

Result<cudaMemPool_t> scratch_pool() noexcept {
  const Result<int> device = current_device();
  if (!device) return device.status();
  std::atomic<cudaMemPool_t>& pool = pools[static_cast<std::size_t>(*device)];
  if (cudaMemPool_t found = pool.load(std::memory_order_acquire)) return found;
  const Result<cudaMemPool_t> made = make_pool(*device);
  if (!made) return made.status();
  cudaMemPool_t first = nullptr;
  if (pool.compare_exchange_strong(first, *made, std::memory_order_acq_rel)) return *made;
  note(cudaMemPoolDestroy(*made));  // another thread was first
  return first;
}

void trim_scratch_pool() noexcept {
  const Result<int> device = current_device();
  if (!device) return;
  if (cudaMemPool_t pool =
          pools[static_cast<std::size_t>(*device)].load(std::memory_order_acquire)) {
    note(cudaMemPoolTrimTo(pool, 0));
  }
}

}  // namespace cordwood::cuda
