// What the functions on plain arrays share: the arrays' device, and the first value that is refused.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>

#include "base/result.hpp"
#include "cuda/memory.hpp"

namespace cordwood::cuda {

/// First place of a value that is refused, all ones where there is none.
inline constexpr uint64_t kNoPlace = ~uint64_t{0};

/// The device that holds all of these arrays; null ones are left out. Refuses memory of the host, and
/// arrays of several devices.
Result<int> device_of(std::initializer_list<const void*> arrays) noexcept;

/// A place that kernels lower with note_place(), and scratch behind it, in the order of one stream.
class PlaceOnDevice {
 public:
  /// Room for the place and so many bytes more.
  Status open(uint64_t bytes, cudaStream_t stream) noexcept;

  [[nodiscard]] unsigned long long* place() const noexcept {
    return memory_.as<unsigned long long>();
  }
  [[nodiscard]] std::byte* rest() const noexcept { return memory_.data() + kLine; }

  /// Waits for the stream, and gives the least place that was noted.
  Result<uint64_t> wait() noexcept;

 private:
  DeviceBuffer memory_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace cordwood::cuda
