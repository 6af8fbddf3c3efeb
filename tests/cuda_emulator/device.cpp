// What the device is: versions, ordinals, attributes.
#include <cstdio>

#include "allocations.h"
#include "cuda_runtime_api.h"
#include "device_limits.h"
#include "late_copies.h"
#include "state.h"

using namespace cuda_emulator;

namespace {

// Each host thread has its own current device.
thread_local int current_device = 0;

bool is_device(int device) {
  return device >= 0 && device < device_count();
}

struct Attribute {
  cudaDeviceAttr attribute;
  int value;
};

constexpr int kMaxGridX = 0x7fffffff;

constexpr Attribute kAttributes[] = {
    {cudaDevAttrMaxThreadsPerBlock, kMaxBlockThreads},
    {cudaDevAttrMaxBlockDimX, kMaxBlockX},
    {cudaDevAttrMaxBlockDimY, kMaxBlockY},
    {cudaDevAttrMaxBlockDimZ, kMaxBlockZ},
    {cudaDevAttrMaxGridDimX, kMaxGridX},
    {cudaDevAttrMaxGridDimY, kMaxGridYZ},
    {cudaDevAttrMaxGridDimZ, kMaxGridYZ},
    {cudaDevAttrMaxSharedMemoryPerBlock, kSharedBytes},
    {cudaDevAttrTotalConstantMemory, 65536},
    {cudaDevAttrWarpSize, kWarpThreads},
    {cudaDevAttrMaxRegistersPerBlock, kRegisters},
    {cudaDevAttrClockRate, 1980000},
    {cudaDevAttrMultiProcessorCount, kMultiprocessors},
    {cudaDevAttrIntegrated, 0},
    {cudaDevAttrCanMapHostMemory, 1},
    {cudaDevAttrComputeMode, 0},
    {cudaDevAttrConcurrentKernels, 1},
    {cudaDevAttrMemoryClockRate, 3201000},
    {cudaDevAttrGlobalMemoryBusWidth, 6144},
    {cudaDevAttrL2CacheSize, 50 << 20},
    {cudaDevAttrMaxThreadsPerMultiProcessor, kMultiprocessorThreads},
    {cudaDevAttrAsyncEngineCount, 3},
    {cudaDevAttrUnifiedAddressing, 1},
    {cudaDevAttrComputeCapabilityMajor, 9},
    {cudaDevAttrComputeCapabilityMinor, 0},
    {cudaDevAttrMaxSharedMemoryPerMultiprocessor, kMultiprocessorSharedBytes},
    {cudaDevAttrMaxRegistersPerMultiprocessor, kRegisters},
    {cudaDevAttrManagedMemory, 0},
    {cudaDevAttrPageableMemoryAccess, 0},
    {cudaDevAttrCooperativeLaunch, 0},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, kSharedOptinBytes},
    {cudaDevAttrMaxBlocksPerMultiprocessor, kMultiprocessorBlocks},
    {cudaDevAttrReservedSharedMemoryPerBlock, kReservedSharedBytes},
    {cudaDevAttrClusterLaunch, 0},
};

}  // namespace

int cuda_emulator::device_of_thread() {
  return current_device;
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return note(cudaErrorInvalidValue);
  *version = static_cast<int>(driver_version());
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return note(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  if (count == nullptr) return note(cudaErrorInvalidValue);
  *count = 0;
  return device_call([&] {
    *count = static_cast<int>(device_count());
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return device_call([&] {
    if (device == nullptr) return cudaErrorInvalidValue;
    *device = current_device;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return device_call([&] {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    current_device = device;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return device_call([&] {
    if (value == nullptr) return cudaErrorInvalidValue;
    if (!is_device(device)) return cudaErrorInvalidDevice;
    if (attribute == cudaDevAttrMemoryPoolsSupported) {
      *value = has_pools() ? 1 : 0;
      return cudaSuccess;
    }
    for (const Attribute& known : kAttributes) {
      if (known.attribute == attribute) {
        *value = known.value;
        return cudaSuccess;
      }
    }
    return cudaErrorInvalidValue;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return device_call([&] {
    if (properties == nullptr) return cudaErrorInvalidValue;
    if (!is_device(device)) return cudaErrorInvalidDevice;
    cudaDeviceProp all{};
    std::snprintf(all.name, sizeof all.name, "Emulated device");
    all.totalGlobalMem = device_memory_bytes();
    all.sharedMemPerBlock = kSharedBytes;
    all.regsPerBlock = kRegisters;
    all.warpSize = kWarpThreads;
    all.maxThreadsPerBlock = kMaxBlockThreads;
    all.maxThreadsDim[0] = kMaxBlockX;
    all.maxThreadsDim[1] = kMaxBlockY;
    all.maxThreadsDim[2] = kMaxBlockZ;
    all.maxGridSize[0] = kMaxGridX;
    all.maxGridSize[1] = all.maxGridSize[2] = kMaxGridYZ;
    all.totalConstMem = 65536;
    all.major = 9;
    all.minor = 0;
    all.multiProcessorCount = kMultiprocessors;
    all.canMapHostMemory = 1;
    all.concurrentKernels = 1;
    all.asyncEngineCount = 3;
    all.unifiedAddressing = 1;
    all.memoryBusWidth = 6144;
    all.l2CacheSize = 50 << 20;
    all.maxThreadsPerMultiProcessor = kMultiprocessorThreads;
    all.sharedMemPerMultiprocessor = kMultiprocessorSharedBytes;
    all.regsPerMultiprocessor = kRegisters;
    all.sharedMemPerBlockOptin = kSharedOptinBytes;
    all.maxBlocksPerMultiProcessor = kMultiprocessorBlocks;
    all.reservedSharedMemPerBlock = kReservedSharedBytes;
    all.memoryPoolsSupported = has_pools() ? 1 : 0;
    *properties = all;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return device_call([] {
    finish_all_copies();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceReset() {
  const std::lock_guard lock(device_lock());
  forget_copies();
  free_everything();
  reset_state();
  return device_call([] { return cudaSuccess; });
}
