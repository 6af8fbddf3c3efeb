// Which handles of streams are alive.
#pragma once

#include <cstddef>

#include "driver_types.h"

namespace cuda_emulator {

bool is_stream(cudaStream_t stream);

// How many streams and events have been made and not destroyed.
std::size_t living_handles();

}  // namespace cuda_emulator
