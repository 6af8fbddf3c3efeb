// Copies that a stream was given and that are not done: as late as CUDA lets them be.
#pragma once

#include <cstddef>

#include "driver_types.h"

namespace cuda_emulator {

// A copy between the device and pinned memory, which the host does not wait for.
void put_off_copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream);
// Does all copies of a stream; those up to the one of a number; or those of every stream.
void finish_copies(cudaStream_t stream);
void finish_copies(cudaStream_t stream, unsigned long long last);
void finish_all_copies();
// The number of the last copy that was put off.
unsigned long long last_copy();
// Whether memory from here on is read or written by a copy that is not done.
bool is_being_copied(const void* pointer, std::size_t bytes);
// After an error that ends everything.
void forget_copies();

}  // namespace cuda_emulator
