// How many threads this process may use: its affinity, its control group's quota, CORDWOOD_THREADS.
#pragma once

#include "base/result.hpp"

namespace cordwood::runtime {

inline constexpr unsigned kMaxThreads = 1024;

/// Cores that the process may run on: the affinity mask, cut to the quota of its control groups
/// (version 2 or 1), rounded up to whole cores. At least 1.
[[nodiscard]] unsigned permitted_cores() noexcept;

/// Threads of a model that was asked for `requested`, 0 meaning all permitted cores. CORDWOOD_THREADS
/// caps either; a value of it that is no count is an error.
[[nodiscard]] Result<unsigned> resolve_threads(unsigned requested) noexcept;

}  // namespace cordwood::runtime
