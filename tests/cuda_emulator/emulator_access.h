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
// Bytes of device memory that are allocated, for tests that nothing leaks.
std::size_t cordwood_cuda_emulator_used_bytes();
// How many launches have run.
unsigned long long cordwood_cuda_emulator_launches();
}
#pragma GCC visibility pop
