// What a program that loads an emulated extension may call in it (with ctypes): its runtime's own
// functions are hidden.
#pragma once

#include <cstddef>

#pragma GCC visibility push(default)
extern "C" {
// Ends a sticky error and forgets counted faults; memory stays.
void cordwood_cuda_emulator_reset();
// Memory of the device, as a caller of the extension may bring it; null if there is none.
void* cordwood_cuda_emulator_allocate(std::size_t bytes);
// These return a cudaError_t.
int cordwood_cuda_emulator_free(void* pointer);
int cordwood_cuda_emulator_copy(void* to, const void* from, std::size_t bytes);
int cordwood_cuda_emulator_destroy_stream(void* stream);
void* cordwood_cuda_emulator_create_stream();
// The stream of the last launch.
void* cordwood_cuda_emulator_last_stream();
// Of this thread, as `cudaSetDevice`.
int cordwood_cuda_emulator_set_device(int device);
// Bytes of device memory that are allocated, for tests that nothing leaks.
std::size_t cordwood_cuda_emulator_used_bytes();
// Bytes of pinned memory, and streams and events, for the same.
std::size_t cordwood_cuda_emulator_pinned_bytes();
std::size_t cordwood_cuda_emulator_handles();
// How many calls there were of a function that allocates, copies or orders, such as "cudaEventRecord".
unsigned long long cordwood_cuda_emulator_calls(const char* function);
// How many launches have run.
unsigned long long cordwood_cuda_emulator_launches();
}
#pragma GCC visibility pop
