// The pool that scratch comes from, one for each device: it keeps what calls give back, so that the next
// call finds memory without asking the system.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"

namespace cordwood::cuda {

/// What a pool keeps once nothing is under way. More than a pass takes, less than others would miss.
inline constexpr uint64_t kPoolKeeps = uint64_t{1} << 30;

/// That of the current device, made at the first call. It is the process's own: the device's default pool
/// is shared with other libraries, and gives everything back whenever anybody waits.
Result<cudaMemPool_t> scratch_pool() noexcept;

/// Gives what the current device's pool keeps back to the system, for an allocation that found no room.
void trim_scratch_pool() noexcept;

}  // namespace cordwood::cuda
