// What a device checks before it runs a kernel, and what is known of kernels.
#include <algorithm>
#include <unordered_map>

#include "allocations.h"
#include "block.h"
#include "cuda_launch.h"
#include "device_limits.h"
#include "kernel_name.h"
#include "late_copies.h"
#include "state.h"
#include "streams.h"

using namespace cuda_emulator;

namespace {

// As a compiler might choose; only the occupancy depends on it.
constexpr int kThreadRegisters = 40;

unsigned long long launches = 0;
cudaStream_t last_stream = nullptr;

// Kernels that may have more dynamic shared memory than any kernel.
std::unordered_map<const void*, int> allowed_bytes;

int allowed(const void* kernel) {
  const auto found = allowed_bytes.find(kernel);
  return found == allowed_bytes.end() ? kSharedBytes : found->second;
}

bool between(unsigned int value, int most) {
  return value >= 1 && value <= static_cast<unsigned int>(most);
}

bool is_shape(const cudaLaunchConfig_t& config) {
  const dim3 block = config.blockDim;
  const dim3 grid = config.gridDim;
  return between(block.x, kMaxBlockX) && between(block.y, kMaxBlockY) &&
         between(block.z, kMaxBlockZ) && between(block.x * block.y * block.z, kMaxBlockThreads) &&
         between(grid.x, 0x7fffffff) && between(grid.y, kMaxGridYZ) && between(grid.z, kMaxGridYZ);
}

// Attributes that change when a kernel may start change nothing here; others would change what it
// may do.
cudaError_t check_attributes(const cudaLaunchConfig_t& config) {
  if (config.numAttrs > 0 && config.attrs == nullptr) return cudaErrorInvalidValue;
  for (unsigned int i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    switch (attribute.id) {
      case cudaLaunchAttributeIgnore:
      case cudaLaunchAttributeProgrammaticStreamSerialization:
      case cudaLaunchAttributePriority:
      case cudaLaunchAttributePreferredSharedMemoryCarveout:
        break;
      case cudaLaunchAttributeClusterDimension: {
        const auto& cluster = attribute.val.clusterDim;
        if (cluster.x != 1 || cluster.y != 1 || cluster.z != 1) return cudaErrorNotSupported;
        break;
      }
      default:
        return cudaErrorNotSupported;
    }
  }
  return cudaSuccess;
}

cudaError_t check(const cudaLaunchConfig_t* config, const KernelCall& call) {
  if (config == nullptr) return cudaErrorInvalidValue;
  if (call.kernel == nullptr) return cudaErrorInvalidDeviceFunction;
  if (!is_stream(config->stream)) return cudaErrorInvalidResourceHandle;
  if (!is_shape(*config)) return cudaErrorInvalidConfiguration;
  if (config->dynamicSmemBytes > static_cast<std::size_t>(allowed(call.kernel))) {
    return cudaErrorInvalidValue;
  }
  return check_attributes(*config);
}

void fail(const KernelCall& call, const Failure& failure) {
  set_sticky(failure.error, "kernel " + kernel_name(call.kernel) + ": " + failure.why);
}

}  // namespace

unsigned long long cuda_emulator::launch_count() {
  return launches;
}

cudaStream_t cuda_emulator::launch_stream() {
  return last_stream;
}

// Like a device, a launch reports what is wrong with its configuration; what goes wrong in the
// kernel is reported by the next call.
cudaError_t cuda_emulator::launch(const cudaLaunchConfig_t* config, const KernelCall& call) {
  return device_call([&] {
    const cudaError_t refused = check(config, call);
    if (refused != cudaSuccess) return refused;
    if (launch_is_failed()) {
      fail(call, {cudaErrorLaunchFailure, "CORDWOOD_EMULATED_FAIL_LAUNCH asks for it"});
      return cudaErrorLaunchFailure;
    }
    finish_copies(config->stream);
    const DeviceAccess access;
    ++launches;
    last_stream = config->stream;
    Failure failure = run_grid(*config, call);
    if (failure.error == cudaSuccess) {
      failure.why = damaged_allocation();
      if (!failure.why.empty()) failure.error = cudaErrorIllegalAddress;
    }
    if (failure.error != cudaSuccess) fail(call, failure);
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return device_call([&] {
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) {
      return value >= -1 && value <= 100 ? cudaSuccess : cudaErrorInvalidValue;
    }
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorInvalidValue;
    if (value < 0 || value > kSharedOptinBytes) return cudaErrorInvalidValue;
    // A device would take it; but another thread may have asked for more, and be about to launch.
    if (value < allowed(kernel)) return cudaErrorInvalidValue;
    allowed_bytes[kernel] = value;
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return device_call([&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    *attributes = {};
    attributes->maxThreadsPerBlock = kMaxBlockThreads;
    attributes->numRegs = kThreadRegisters;
    attributes->ptxVersion = attributes->binaryVersion = 90;
    attributes->maxDynamicSharedSizeBytes = allowed(kernel);
    attributes->preferredShmemCarveout = -1;
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel,
                                                          int block_threads,
                                                          std::size_t dynamic_bytes) {
  return device_call([&] {
    if (blocks == nullptr) return cudaErrorInvalidValue;
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    if (block_threads < 1 || block_threads > kMaxBlockThreads) return cudaErrorInvalidValue;
    *blocks = 0;
    if (dynamic_bytes > static_cast<std::size_t>(allowed(kernel))) return cudaSuccess;
    const int threads = (block_threads + kWarpThreads - 1) / kWarpThreads * kWarpThreads;
    const int shared = static_cast<int>(dynamic_bytes) + kReservedSharedBytes;
    *blocks =
        std::min({kMultiprocessorBlocks, kMultiprocessorThreads / threads,
                  kRegisters / (threads * kThreadRegisters), kMultiprocessorSharedBytes / shared});
    return cudaSuccess;
  });
}
