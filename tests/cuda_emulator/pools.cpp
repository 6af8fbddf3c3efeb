#include "pools.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "cuda_runtime_api.h"
#include "device_limits.h"
#include "state.h"

using namespace cuda_emulator;

struct CUmemPoolHandle_st {
  int device;
  uint64_t threshold;
  std::size_t kept;
};

namespace {

std::unordered_map<cudaMemPool_t, std::unique_ptr<CUmemPoolHandle_st>> pools;

}  // namespace

bool cuda_emulator::is_pool_here(cudaMemPool_t pool) {
  return pools.contains(pool) && pool->device == device_of_thread();
}

std::size_t cuda_emulator::kept_bytes() {
  std::size_t bytes = 0;
  for (const auto& [pool, state] : pools) bytes += state->kept;
  return bytes;
}

std::size_t cuda_emulator::take_from(cudaMemPool_t pool, std::size_t bytes) {
  const std::size_t taken = std::min(pool->kept, bytes);
  pool->kept -= taken;
  return taken;
}

void cuda_emulator::give_back_to(cudaMemPool_t pool, std::size_t bytes) {
  if (!pools.contains(pool)) return;
  pool->kept = static_cast<std::size_t>(std::min<uint64_t>(pool->kept + bytes, pool->threshold));
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  return device_call(__func__, [&] {
    if (pool == nullptr || properties == nullptr ||
        properties->allocType != cudaMemAllocationTypePinned ||
        properties->location.type != cudaMemLocationTypeDevice || properties->location.id < 0 ||
        properties->location.id >= device_count()) {
      return cudaErrorInvalidValue;
    }
    auto made = std::make_unique<CUmemPoolHandle_st>(properties->location.id, 0, 0);
    *pool = made.get();
    pools[*pool] = std::move(made);
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  return release_call([&] { return pools.erase(pool) != 0 ? cudaSuccess : cudaErrorInvalidValue; });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  return device_call(__func__, [&] {
    if (!pools.contains(pool) || attribute != cudaMemPoolAttrReleaseThreshold) {
      return cudaErrorInvalidValue;
    }
    pool->threshold = *static_cast<uint64_t*>(value);
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t bytes) {
  return device_call(__func__, [&] {
    if (!pools.contains(pool)) return cudaErrorInvalidValue;
    pool->kept = std::min(pool->kept, bytes);
    return cudaSuccess;
  });
}
