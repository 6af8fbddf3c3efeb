// Memory that kernels write to: aligned to a cache line, grown, never shrunk, never zeroed.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace cordwood::runtime {

inline constexpr std::size_t kCacheLine = 64;

/// Bytes rounded up to whole cache lines.
[[nodiscard]] constexpr std::size_t whole_lines(std::size_t bytes) noexcept {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

/// One growing block. What it held is lost when it grows.
class Arena {
 public:
  Status reserve(std::size_t bytes) noexcept {
    if (bytes <= size_) return {};
    const std::size_t wanted = whole_lines(bytes);
    block_.reset();  // the old block goes first: both together are never needed
    size_ = 0;
    block_.reset(static_cast<std::byte*>(std::aligned_alloc(kCacheLine, wanted)));
    if (block_ == nullptr) return out_of_memory("scratch of a run");
    size_ = wanted;
    return {};
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {block_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* block) const noexcept { std::free(block); }
  };
  std::unique_ptr<std::byte, Free> block_;
  std::size_t size_ = 0;
};

}  // namespace cordwood::runtime
