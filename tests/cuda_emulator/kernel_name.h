// The name of a kernel from its address, for messages.
#pragma once

#include <string>

namespace cuda_emulator {

// "name(parameters)", or where it lies if the file has no symbols.
std::string kernel_name(const void* kernel);

}  // namespace cuda_emulator
