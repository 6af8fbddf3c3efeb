// Which handles of streams are alive.
#pragma once

#include "driver_types.h"

namespace cuda_emulator {

bool is_stream(cudaStream_t stream);

}  // namespace cuda_emulator
