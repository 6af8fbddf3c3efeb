// The process's one pool of worker threads, parked between calls.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace cordwood::runtime {

/// One piece of work; `slot` is below the number of threads and no two pieces share it at a time.
using Task = void (*)(void* work, unsigned slot, uint64_t index) noexcept;

/// Runs tasks 0 to n_tasks - 1, handed out in ascending order, on the caller and up to `threads` - 1
/// workers. Returns when all are done. Where another caller holds the workers, this one does all its
/// tasks itself: nobody waits for anybody. With `threads` of 1 the pool is not even created. A child
/// of fork starts a pool of its own.
Status run_tasks(unsigned threads, uint64_t n_tasks, void* work, Task task) noexcept;

/// Workers that live in this process now.
[[nodiscard]] unsigned live_workers() noexcept;

}  // namespace cordwood::runtime
