// Pools of the device's memory: what they keep of what was given back counts as taken, until it is asked
// for again or trimmed.
#pragma once

#include <cstddef>

#include "driver_types.h"

namespace cuda_emulator {

// Whether the pool is the current device's.
bool is_pool_here(cudaMemPool_t pool);
// What all pools keep.
std::size_t kept_bytes();
// Memory leaves a pool, as much as it keeps, or comes back to it.
std::size_t take_from(cudaMemPool_t pool, std::size_t bytes);
void give_back_to(cudaMemPool_t pool, std::size_t bytes);

}  // namespace cuda_emulator
