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

// Whose memory this many bytes are. Outside: they leave an allocation.
enum class Side { kHost, kDevice, kOutside };
Side side(const void* pointer, std::size_t bytes);
// Memory of the host that the runtime allocated, or was told of.
bool is_pinned(const void* pointer);

// While one lives, the device's memory can be touched: all of it, or the allocation of a pointer.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

class CopyAccess {
 public:
  explicit CopyAccess(const void* pointer);
  ~CopyAccess();
  CopyAccess(const CopyAccess&) = delete;
  CopyAccess& operator=(const CopyAccess&) = delete;

 private:
  const void* pointer_;
};

std::size_t used_device_bytes();
std::size_t used_pinned_bytes();

// An empty string, or which allocation was written past its end or before its start.
std::string damaged_allocation();
// Where an address lies, in words: in or near which allocation.
std::string describe_address(const void* address);
// Gives all memory back, for cudaDeviceReset.
void free_everything();

}  // namespace cuda_emulator
