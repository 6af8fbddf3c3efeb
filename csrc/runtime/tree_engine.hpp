// What the tree operator asks of an engine. An engine owns its private tables and is never changed
// after it is built; scratch belongs to the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

class TreeEngine {
 public:
  virtual ~TreeEngine() = default;

  /// Sums of each row's leaves, before any division: C order [n_rows, n_outputs].
  virtual Status sums(const RowsView& rows, void* out,
                      std::span<std::byte> scratch) const noexcept = 0;

  /// The source's leaf numbers: C order [n_rows, n_trees].
  virtual Status leaves(const RowsView& rows, int32_t* out,
                        std::span<std::byte> scratch) const noexcept = 0;

  [[nodiscard]] virtual size_t scratch_bytes(uint64_t n_rows) const noexcept = 0;
  [[nodiscard]] virtual uint64_t preferred_rows() const noexcept = 0;
  [[nodiscard]] virtual uint64_t resident_bytes() const noexcept = 0;
};

/// Hands out aligned parts of one scratch block.
class Scratch {
 public:
  explicit Scratch(std::span<std::byte> block) noexcept : at_(block.data()) {}

  template <class T>
  T* take(size_t count) noexcept {
    auto* part = reinterpret_cast<T*>(at_);
    at_ += bytes_for<T>(count);
    return part;
  }

  /// What is left of `block`, which this Scratch was made from.
  [[nodiscard]] std::span<std::byte> rest(std::span<std::byte> block) const noexcept {
    return block.subspan(static_cast<size_t>(at_ - block.data()));
  }

  template <class T>
  [[nodiscard]] static constexpr size_t bytes_for(size_t count) noexcept {
    return (count * sizeof(T) + 63) / 64 * 64;
  }

 private:
  std::byte* at_;
};

}  // namespace cordwood::runtime
