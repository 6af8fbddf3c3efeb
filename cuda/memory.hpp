// Memory of the device and pinned memory of the host: owned, grown, never shrunk, never zeroed.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.hpp"

namespace cordwood::cuda {

/// What arrays of one block start at multiples of, in bytes: so blocks themselves are aligned.
inline constexpr uint64_t kLine = 256;

constexpr uint64_t whole_lines(uint64_t bytes) noexcept {
  return (bytes + kLine - 1) / kLine * kLine;
}

/// A growing block of the device that was current at its first reserve(). What it held is lost when
/// it grows. Each buffer keeps to one of the two ways to reserve.
class DeviceBuffer {
 public:
  DeviceBuffer() noexcept = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { free(); }

  /// Room for so many bytes, for every stream: tables of a model. Growing waits for the whole device.
  Status reserve(std::size_t bytes) noexcept;

  /// Room in the order of one stream, which must be the same each time and outlive the buffer:
  /// scratch of a caller. Nothing waits, and no other stream may use it without an event between.
  Status reserve(std::size_t bytes, cudaStream_t stream) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* data() const noexcept { return block_; }

  /// The block as elements of a type; aligned to 256 bytes.
  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(block_);
  }

 private:
  void free() noexcept;
  void swap(DeviceBuffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    std::swap(stream_, other.stream_);
    std::swap(in_stream_, other.in_stream_);
  }

  std::byte* block_ = nullptr;
  std::size_t size_ = 0;
  cudaStream_t stream_ = nullptr;
  bool in_stream_ = false;
};

/// A growing block of the host that the device copies from and to while the host goes on. What it
/// held is lost when it grows; no copy may be under way then.
class PinnedBuffer {
 public:
  PinnedBuffer() noexcept = default;
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  ~PinnedBuffer() { free(); }

  Status reserve(std::size_t bytes) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* data() const noexcept { return block_; }

  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(block_);
  }

 private:
  void free() noexcept;
  void swap(PinnedBuffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
  }

  std::byte* block_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cordwood::cuda
