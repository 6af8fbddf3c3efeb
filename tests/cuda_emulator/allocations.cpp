// Allocations, each between pages that no access survives:
//
//   no access | slack, poisoned | the allocation | slack < 256 bytes, poisoned | no access
//
// A far or reading access faults at once; a write into the slack is found after the launch. Memory of
// the device is open to a launch and to a copy only: the host has no business with its bytes. Large
// allocations stay open, since closing one takes time for each of its pages.
#include "allocations.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>

#include "cuda_runtime_api.h"
#include "device_limits.h"
#include "late_copies.h"
#include "pools.h"
#include "state.h"
#include "streams.h"

using namespace cuda_emulator;

namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kPage = 65536;  // the largest that a machine of ours may have

constexpr std::size_t kMaxClosedBytes = 256 << 10;

struct Allocation {
  cudaMemoryType type;
  int device;
  std::size_t bytes;
  // The accessible part of the mapping; null for registered memory, which has no guards.
  unsigned char* open;
  std::size_t open_bytes;
  // Where it goes back to, or null.
  cudaMemPool_t pool;
};

using Allocations = std::map<std::uintptr_t, Allocation>;
Allocations allocations;
std::size_t device_bytes = 0;

std::uintptr_t number(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// The allocation that an address lies in; one past its end counts for nothing.
Allocations::iterator holding(const void* pointer) {
  auto after = allocations.upper_bound(number(pointer));
  if (after == allocations.begin()) return allocations.end();
  const auto before = std::prev(after);
  return number(pointer) - before->first < before->second.bytes ? before : allocations.end();
}

void set_access(const Allocation& allocation, bool allowed) {
  if (allocation.type != cudaMemoryTypeDevice || allocation.bytes > kMaxClosedBytes) return;
  mprotect(allocation.open, allocation.open_bytes, allowed ? PROT_READ | PROT_WRITE : PROT_NONE);
}

cudaError_t allocate(void** pointer, std::size_t bytes, cudaMemoryType type,
                     cudaMemPool_t pool = nullptr) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  const bool on_device = type == cudaMemoryTypeDevice;
  const std::size_t limit = on_device ? device_memory_bytes() : SIZE_MAX / 2;
  const std::size_t reused = pool == nullptr ? 0 : take_from(pool, bytes);
  const std::size_t used = on_device ? device_bytes + kept_bytes() : 0;
  if (bytes > limit || used > limit - bytes) {
    if (pool != nullptr) give_back_to(pool, reused);
    return cudaErrorMemoryAllocation;
  }

  const std::size_t open_bytes = rounded_up(bytes, kPage);
  void* mapped = mmap(nullptr, open_bytes + 2 * kPage, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return cudaErrorMemoryAllocation;
  unsigned char* open = static_cast<unsigned char*>(mapped) + kPage;
  if (mprotect(open, open_bytes, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapped, open_bytes + 2 * kPage);
    return cudaErrorMemoryAllocation;
  }
  unsigned char* start = open + open_bytes - rounded_up(bytes, kAlignment);
  poison(open, static_cast<std::size_t>(start - open));
  poison(start, bytes);
  poison(start + bytes, rounded_up(bytes, kAlignment) - bytes);
  const Allocation& made =
      allocations[number(start)] = {type, device_of_thread(), bytes, open, open_bytes, pool};
  if (on_device) {
    device_bytes += bytes;
    set_access(made, false);
  }
  *pointer = start;
  return cudaSuccess;
}

std::string damage(const Allocations::value_type& entry) {
  const auto& [address, allocation] = entry;
  if (allocation.open == nullptr) return {};
  const auto* start = reinterpret_cast<const unsigned char*>(address);
  const auto before = static_cast<std::size_t>(start - allocation.open);
  const std::size_t after = allocation.open_bytes - before - allocation.bytes;
  const std::size_t low = first_unpoisoned(allocation.open, before);
  const std::size_t high = first_unpoisoned(start + allocation.bytes, after);
  char words[160];
  if (low < before) {
    std::snprintf(words, sizeof words, "memory was written %zu bytes before the allocation of %zu",
                  before - low, allocation.bytes);
    return words;
  }
  if (high < after) {
    std::snprintf(words, sizeof words, "memory was written %zu bytes past the allocation of %zu",
                  high, allocation.bytes);
    return words;
  }
  return {};
}

void unmap(const Allocation& allocation) {
  if (allocation.open == nullptr) return;
  munmap(allocation.open - kPage, allocation.open_bytes + 2 * kPage);
}

cudaError_t release(void* pointer, cudaMemoryType type, bool registered) {
  if (pointer == nullptr) return registered ? cudaErrorInvalidValue : cudaSuccess;
  const auto found = allocations.find(number(pointer));
  if (found == allocations.end() || found->second.type != type ||
      (found->second.open == nullptr) != registered) {
    return registered ? cudaErrorHostMemoryNotRegistered : cudaErrorInvalidValue;
  }
  const bool copied =
      standing_error() == cudaSuccess && is_being_copied(pointer, found->second.bytes);
  set_access(found->second, true);
  const std::string damaged = copied ? "a copy of this memory is under way" : damage(*found);
  unmap(found->second);
  if (type == cudaMemoryTypeDevice) device_bytes -= found->second.bytes;
  if (found->second.pool != nullptr) give_back_to(found->second.pool, found->second.bytes);
  allocations.erase(found);
  if (damaged.empty()) return cudaSuccess;
  set_sticky(cudaErrorIllegalAddress, "found by freeing: " + damaged);
  return cudaErrorIllegalAddress;
}

}  // namespace

bool cuda_emulator::is_pinned(const void* pointer) {
  const auto found = holding(pointer);
  return found != allocations.end() && found->second.type == cudaMemoryTypeHost;
}

Side cuda_emulator::side(const void* pointer, std::size_t bytes) {
  const auto found = holding(pointer);
  if (found != allocations.end()) {
    const std::size_t offset = number(pointer) - found->first;
    if (bytes > found->second.bytes - offset) return Side::kOutside;
    return found->second.type == cudaMemoryTypeDevice ? Side::kDevice : Side::kHost;
  }
  for (const auto& [start, allocation] : allocations) {
    const std::uintptr_t low = number(allocation.open) - kPage;
    if (allocation.open != nullptr && number(pointer) - low < allocation.open_bytes + 2 * kPage) {
      return Side::kOutside;
    }
  }
  return Side::kHost;
}

cuda_emulator::DeviceAccess::DeviceAccess() {
  for (const auto& [start, allocation] : allocations) set_access(allocation, true);
}

cuda_emulator::DeviceAccess::~DeviceAccess() {
  for (const auto& [start, allocation] : allocations) set_access(allocation, false);
}

cuda_emulator::CopyAccess::CopyAccess(const void* pointer) : pointer_(pointer) {
  const auto found = holding(pointer_);
  if (found != allocations.end()) set_access(found->second, true);
}

cuda_emulator::CopyAccess::~CopyAccess() {
  const auto found = holding(pointer_);
  if (found != allocations.end()) set_access(found->second, false);
}

std::size_t cuda_emulator::used_device_bytes() {
  return device_bytes;
}

std::size_t cuda_emulator::used_pinned_bytes() {
  std::size_t bytes = 0;
  for (const auto& [start, allocation] : allocations) {
    if (allocation.type == cudaMemoryTypeHost) bytes += allocation.bytes;
  }
  return bytes;
}

void cuda_emulator::poison(void* to, std::size_t bytes) {
  auto* at = static_cast<unsigned char*>(to);
  for (; bytes >= sizeof kPoison; bytes -= sizeof kPoison, at += sizeof kPoison) {
    std::memcpy(at, &kPoison, sizeof kPoison);
  }
  std::memcpy(at, &kPoison, bytes);
}

std::size_t cuda_emulator::first_unpoisoned(const void* from, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(from);
  const auto* pattern = reinterpret_cast<const unsigned char*>(&kPoison);
  for (std::size_t i = 0; i < bytes; ++i) {
    if (at[i] != pattern[i % sizeof kPoison]) return i;
  }
  return bytes;
}

std::string cuda_emulator::damaged_allocation() {
  for (const auto& entry : allocations) {
    std::string damaged = damage(entry);
    if (!damaged.empty()) return damaged;
  }
  return {};
}

std::string cuda_emulator::describe_address(const void* address) {
  char words[160];
  std::snprintf(words, sizeof words, "%p, in host memory or nowhere", address);
  for (const auto& [start, allocation] : allocations) {
    const std::size_t offset = number(address) - start;
    const char* owner = allocation.type == cudaMemoryTypeDevice ? "device" : "pinned";
    if (offset < allocation.bytes + kPage) {
      std::snprintf(words, sizeof words, "%p, byte %zu of a %s allocation of %zu", address, offset,
                    owner, allocation.bytes);
    } else if (offset >= std::size_t{0} - 2 * kPage) {
      std::snprintf(words, sizeof words, "%p, %zu bytes before a %s allocation of %zu", address,
                    std::size_t{0} - offset, owner, allocation.bytes);
    }
  }
  return words;
}

void cuda_emulator::free_everything() {
  for (const auto& [start, allocation] : allocations) unmap(allocation);
  allocations.clear();
  device_bytes = 0;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return device_call(__func__, [&] { return allocate(pointer, bytes, cudaMemoryTypeDevice); });
}

cudaError_t cudaMallocFromPoolAsync(void** pointer, std::size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  return device_call(__func__, [&] {
    if (!is_pool_here(pool)) return cudaErrorInvalidValue;
    return is_stream(stream) ? allocate(pointer, bytes, cudaMemoryTypeDevice, pool)
                             : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned int) {
  return device_call(__func__, [&] { return allocate(pointer, bytes, cudaMemoryTypeHost); });
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return device_call(__func__, [&] { return allocate(pointer, bytes, cudaMemoryTypeHost); });
}

cudaError_t cudaFree(void* pointer) {
  return release_call([&] {
    finish_all_copies();
    return release(pointer, cudaMemoryTypeDevice, false);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return release_call([&] {
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    finish_copies(stream);
    return release(pointer, cudaMemoryTypeDevice, false);
  });
}

cudaError_t cudaFreeHost(void* pointer) {
  return release_call([&] { return release(pointer, cudaMemoryTypeHost, false); });
}

cudaError_t cudaHostRegister(void* pointer, std::size_t bytes, unsigned int) {
  return device_call(__func__, [&] {
    if (pointer == nullptr || bytes == 0) return cudaErrorInvalidValue;
    if (holding(pointer) != allocations.end()) return cudaErrorHostMemoryAlreadyRegistered;
    allocations[number(pointer)] = {
        cudaMemoryTypeHost, device_of_thread(), bytes, nullptr, 0, nullptr};
    return cudaSuccess;
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return release_call([&] { return release(pointer, cudaMemoryTypeHost, true); });
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  return device_call(__func__, [&] {
    if (free_bytes == nullptr || total_bytes == nullptr) return cudaErrorInvalidValue;
    *total_bytes = device_memory_bytes();
    *free_bytes = *total_bytes > device_bytes ? *total_bytes - device_bytes : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return device_call(__func__, [&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    *attributes = {};
    auto* address = const_cast<void*>(pointer);
    const auto found = holding(pointer);
    if (found == allocations.end()) {
      attributes->device = -2;  // as CUDA does for memory that it does not know
      attributes->hostPointer = address;
      return cudaSuccess;
    }
    attributes->type = found->second.type;
    attributes->device = found->second.device;
    attributes->devicePointer = address;
    if (found->second.type == cudaMemoryTypeHost) attributes->hostPointer = address;
    return cudaSuccess;
  });
}
