// Tables of the host, laid out once in one block of the device.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "cuda/memory.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {

/// Collects tables, then moves all of them to the device. A table is known by its place until then.
class TableBlock {
 public:
  /// Adds a table; returns its place. May throw std::bad_alloc.
  template <class T>
  std::size_t add(std::span<const T> table) {
    const std::size_t place = host_.size();
    host_.resize((place + table.size_bytes() + kAlign - 1) / kAlign * kAlign);
    if (!table.empty()) std::memcpy(host_.data() + place, table.data(), table.size_bytes());
    return place;
  }
  template <class T>
  std::size_t add(const std::vector<T>& table) {
    return add(std::span<const T>(table));
  }

  /// Where a table will lie. Only to be asked for after reserve().
  template <class T>
  [[nodiscard]] T* at(std::size_t place) const noexcept {
    return reinterpret_cast<T*>(device_.data() + place);
  }

  /// Copies everything and forgets the host's side; waits until it is there.
  Status upload() noexcept {
    CORDWOOD_RETURN_IF_FAILED(device_.reserve(host_.size()));
    if (!host_.empty()) {
      CORDWOOD_RETURN_IF_CUDA_FAILED(
          cudaMemcpy(device_.data(), host_.data(), host_.size(), cudaMemcpyHostToDevice),
          "tables of a model");
    }
    bytes_ = host_.size();
    host_ = {};
    return {};
  }

  [[nodiscard]] uint64_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kAlign = 256;

  std::vector<std::byte> host_;
  DeviceBuffer device_;
  uint64_t bytes_ = 0;
};

}  // namespace cordwood::cuda
