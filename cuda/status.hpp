// Failures of the CUDA runtime as Status: each error that can happen has words of its own.
#pragma once

#include <cuda_runtime.h>

#include "base/result.hpp"

namespace cordwood::cuda {

/// The Status of what a CUDA call returned; ok for cudaSuccess. `place` is a string literal. The call
/// must have been this thread's last: its error is taken from the runtime, which would else report it
/// again after the next launch. An error that leaves the process without its context is remembered.
Status status_of(cudaError_t error, const char* place) noexcept;

/// For destructors, which can return nothing: remembers a lost context, and takes the error.
void note(cudaError_t error) noexcept;

/// Whether a CUDA call of this process failed so that none can succeed after it.
[[nodiscard]] bool context_lost() noexcept;

/// Whether an error is of that kind. All others leave the context, and what it holds, as they were.
[[nodiscard]] bool loses_context(cudaError_t error) noexcept;

}  // namespace cordwood::cuda

/// Returns the Status of a CUDA call that failed. After a launch the call is cudaGetLastError().
#define CORDWOOD_RETURN_IF_CUDA_FAILED(call, place)                                                \
  do {                                                                                             \
    if (const cudaError_t cordwood_error = (call); cordwood_error != cudaSuccess) {                \
      return ::cordwood::cuda::status_of(cordwood_error, place);                                   \
    }                                                                                              \
  } while (false)
