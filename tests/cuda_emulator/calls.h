// Calls of the runtime by their names: counted, and made to fail where the environment asks for it.
#pragma once

#include "driver_types.h"

namespace cuda_emulator {

// Counts a call. The error of CORDWOOD_EMULATED_FAIL_CALL if this is the one that it names.
cudaError_t count_call(const char* function);
// How many calls there were.
unsigned long long calls_of(const char* function);
void forget_failing_call();

}  // namespace cuda_emulator
