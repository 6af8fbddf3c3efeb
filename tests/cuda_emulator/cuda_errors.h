// The errors of CUDA's runtime that concern what is emulated, and what a device may tell besides.
#pragma once

// X(name, value, text)
#define EMULATED_ERRORS(X)                                                                         \
  X(cudaSuccess, 0, "no error")                                                                    \
  X(cudaErrorInvalidValue, 1, "invalid argument")                                                  \
  X(cudaErrorMemoryAllocation, 2, "out of memory")                                                 \
  X(cudaErrorInitializationError, 3, "initialization error")                                       \
  X(cudaErrorCudartUnloading, 4, "cudart unloading")                                               \
  X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                            \
  X(cudaErrorInvalidSymbol, 13, "invalid device symbol")                                           \
  X(cudaErrorInvalidDevicePointer, 17, "invalid device pointer")                                   \
  X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")                      \
  X(cudaErrorInsufficientDriver, 35,                                                               \
    "CUDA driver version is insufficient for CUDA runtime version")                                \
  X(cudaErrorCallRequiresNewerDriver, 36, "call requires newer driver")                            \
  X(cudaErrorDevicesUnavailable, 46, "CUDA-capable device(s) is/are busy or unavailable")          \
  X(cudaErrorIncompatibleDriverContext, 49, "incompatible driver context")                         \
  X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                                 \
  X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                                  \
  X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                         \
  X(cudaErrorStartupFailure, 127, "startup failure")                                               \
  X(cudaErrorInvalidKernelImage, 200, "invalid kernel image")                                      \
  X(cudaErrorDeviceUninitialized, 201, "device uninitialized")                                     \
  X(cudaErrorNoKernelImageForDevice, 209,                                                          \
    "no kernel image is available for execution on the device")                                    \
  X(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error")                                     \
  X(cudaErrorDeviceAlreadyInUse, 216, "device already in use")                                     \
  X(cudaErrorInvalidPtx, 218, "invalid ptx")                                                       \
  X(cudaErrorNvlinkUncorrectable, 220, "nvlink uncorrectable")                                     \
  X(cudaErrorUnsupportedPtxVersion, 222, "unsupported ptx version")                                \
  X(cudaErrorContained, 226, "contained")                                                          \
  X(cudaErrorSharedObjectSymbolNotFound, 302, "shared object symbol not found")                    \
  X(cudaErrorSharedObjectInitFailed, 303, "shared object init failed")                             \
  X(cudaErrorOperatingSystem, 304, "operating system")                                             \
  X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                                \
  X(cudaErrorIllegalState, 401, "illegal state")                                                   \
  X(cudaErrorSymbolNotFound, 500, "symbol not found")                                              \
  X(cudaErrorNotReady, 600, "device not ready")                                                    \
  X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")                      \
  X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")                 \
  X(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                        \
  X(cudaErrorLaunchIncompatibleTexturing, 703, "launch incompatible texturing")                    \
  X(cudaErrorContextIsDestroyed, 709, "context is destroyed")                                      \
  X(cudaErrorAssert, 710, "device-side assert triggered")                                          \
  X(cudaErrorHostMemoryAlreadyRegistered, 712,                                                     \
    "part or all of the requested memory range is already mapped")                                 \
  X(cudaErrorHostMemoryNotRegistered, 713,                                                         \
    "pointer does not correspond to a registered memory region")                                   \
  X(cudaErrorHardwareStackError, 714, "hardware stack error")                                      \
  X(cudaErrorIllegalInstruction, 715, "illegal instruction")                                       \
  X(cudaErrorMisalignedAddress, 716, "misaligned address")                                         \
  X(cudaErrorInvalidAddressSpace, 717, "invalid address space")                                    \
  X(cudaErrorInvalidPc, 718, "invalid program counter")                                            \
  X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                                     \
  X(cudaErrorCooperativeLaunchTooLarge, 720, "cooperative launch too large")                       \
  X(cudaErrorTensorMemoryLeak, 721, "tensor memory leak")                                          \
  X(cudaErrorNotPermitted, 800, "operation not permitted")                                         \
  X(cudaErrorNotSupported, 801, "operation not supported")                                         \
  X(cudaErrorSystemNotReady, 802, "system not ready")                                              \
  X(cudaErrorSystemDriverMismatch, 803, "system driver mismatch")                                  \
  X(cudaErrorCompatNotSupportedOnDevice, 804, "compat not supported on device")                    \
  X(cudaErrorTimeout, 909, "timeout")                                                              \
  X(cudaErrorExternalDevice, 911, "external device")                                               \
  X(cudaErrorInvalidClusterSize, 912, "invalid cluster size")                                      \
  X(cudaErrorFunctionNotLoaded, 913, "function not loaded")                                        \
  X(cudaErrorUnknown, 999, "unknown error")

#define EMULATED_ENUMERATOR(name, value, text) name = value,
enum cudaError { EMULATED_ERRORS(EMULATED_ENUMERATOR) };
#undef EMULATED_ENUMERATOR
typedef enum cudaError cudaError_t;
