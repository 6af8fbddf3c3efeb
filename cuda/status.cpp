#include "cuda/status.hpp"

#include <atomic>

namespace cordwood::cuda {
namespace {

// Set once and never cleared: no later call can succeed, whatever it is.
constinit std::atomic<bool> lost{false};

/// What happened, for errors after which every call of this process fails; null for others.
const char* text_of_loss(cudaError_t error) noexcept {
  switch (error) {
    case cudaErrorIllegalAddress:
      return "a kernel read or wrote memory that is not its own (CUDA error {}); the process has "
             "lost its context on the device and needs to be started anew";
    case cudaErrorMisalignedAddress:
      return "a kernel used an address that is not aligned (CUDA error {}); the process has lost "
             "its context on the device and needs to be started anew";
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidPc:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorHardwareStackError:
      return "a kernel went astray (CUDA error {}); the process has lost its context on the device "
             "and needs to be started anew";
    case cudaErrorAssert:
      return "an assertion of a kernel failed (CUDA error {}); the process has lost its context on "
             "the device and needs to be started anew";
    case cudaErrorLaunchTimeout:
      return "a kernel ran longer than this device allows (CUDA error {}); the process has lost "
             "its "
             "context on the device and needs to be started anew, with fewer rows at a time";
    case cudaErrorECCUncorrectable:
      return "the device's memory has an error that cannot be corrected (CUDA error {}); the "
             "process has lost its context on the device and needs to be started anew, best on "
             "another device";
    case cudaErrorLaunchFailure:
    case cudaErrorContained:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
      return "a kernel failed on the device (CUDA error {}); the process has lost its context "
             "there "
             "and needs to be started anew";
    default:
      return nullptr;
  }
}

/// Why there is no device to use; null for other errors.
const char* text_of_absence(cudaError_t error) noexcept {
  switch (error) {
    case cudaErrorNoDevice:
      return "there is no CUDA device, or CUDA_VISIBLE_DEVICES hides it (CUDA error {})";
    case cudaErrorInvalidDevice:
      return "there is no CUDA device of this number (CUDA error {})";
    case cudaErrorInsufficientDriver:
      return "there is no NVIDIA driver, or it is older than this build needs (CUDA error {})";
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
      return "the driver in use is not the one that is installed, or its libraries for other "
             "releases "
             "do not serve this device (CUDA error {}); restart the machine, or install them anew";
    case cudaErrorCallRequiresNewerDriver:
      return "the NVIDIA driver is older than this call needs (CUDA error {})";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidDeviceFunction:
      return "this build holds no code that the device runs (CUDA error {}); build it with the "
             "device's number in CORDWOOD_CUDA_ARCHITECTURES, or install a newer driver";
    case cudaErrorDevicesUnavailable:
      return "another process has the CUDA device for itself (CUDA error {})";
    case cudaErrorInitializationError:
      return "CUDA does not start (CUDA error {}); a process that was forked after its parent "
             "used CUDA cannot: start processes with the method spawn";
    default:
      return nullptr;
  }
}

/// What failed while all that was loaded stays.
const char* text_of_failure(cudaError_t error) noexcept {
  switch (error) {
    case cudaErrorLaunchOutOfResources:
      return "a kernel needs more registers or shared memory than the device gives (CUDA error {})";
    case cudaErrorInvalidConfiguration:
      return "a kernel was launched in a shape that the device does not take (CUDA error {})";
    case cudaErrorInvalidValue:
      return "a call was given a value that it does not take (CUDA error {})";
    case cudaErrorNotSupported:
      return "the device does not support this call (CUDA error {})";
    case cudaErrorCudartUnloading:
      return "the process is ending (CUDA error {})";
    default:
      return "a call failed (CUDA error {})";
  }
}

}  // namespace

bool loses_context(cudaError_t error) noexcept {
  return text_of_loss(error) != nullptr;
}

bool context_lost() noexcept {
  return lost.load(std::memory_order_relaxed);
}

void note(cudaError_t error) noexcept {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // the same error, which the caller holds
  if (loses_context(error)) lost.store(true, std::memory_order_relaxed);
}

Status status_of(cudaError_t error, const char* place) noexcept {
  if (error == cudaSuccess) return {};
  note(error);
  const auto number = static_cast<unsigned>(error);
  if (const char* text = text_of_loss(error)) {
    return fail(CORDWOOD_STATUS_device_lost, place, text, number);
  }
  if (const char* text = text_of_absence(error)) {
    return fail(CORDWOOD_STATUS_device_not_available, place, text, number);
  }
  if (error == cudaErrorMemoryAllocation) {
    return fail(CORDWOOD_STATUS_device_out_of_memory, place,
                "memory of the device could not be had (CUDA error {})", number);
  }
  return fail(CORDWOOD_STATUS_device_failed, place, text_of_failure(error), number);
}

}  // namespace cordwood::cuda
