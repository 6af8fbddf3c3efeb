// Memory of the device, and host memory that the runtime knows.
#pragma once

#include <cstddef>
#include <string>

namespace cuda_emulator {

// Bytes that are plausible as nothing: as float or double a NaN, as an index far outside.
inline constexpr unsigned int kPoison = 0xfff5a5ffu;
void poison(void* to, std::size_t bytes);
// Offset of the first byte that is no longer poison, or `bytes`.
std::size_t first_unpoisoned(const void* from, std::size_t bytes);

// An empty string, or which allocation was written past its end or before its start.
std::string damaged_allocation();
// Where an address lies, in words: in or near which allocation.
std::string describe_address(const void* address);
// Gives all memory back, for cudaDeviceReset.
void free_everything();

}  // namespace cuda_emulator
