// What the tree operator asks of an engine. An engine owns its private tables and is never changed
// after it is built; scratch belongs to the caller.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

/// What an engine says of a leaf.
enum class LeafAnswer : uint8_t {
  kNumber,  ///< the source's number of it
  kRow,     ///< its row in the table of leaf values; only where needs_leaf_pass
};

/// Where leaves go: row r of tree t to `at[r * row_step + t * tree_step]`.
struct LeafGrid {
  int32_t* at;
  uint64_t row_step;
  uint64_t tree_step;
};

class TreeEngine {
 public:
  virtual ~TreeEngine() = default;

  /// Sums of each row's leaves, before any division: C order [n_rows, n_outputs]. They start from
  /// `start`, of the same form, or from the base value where that is null; `start` may be `out`.
  virtual Status sums(const RowsView& rows, const void* start, void* out,
                      std::span<std::byte> scratch) const noexcept = 0;

  /// The leaf that each row reaches in each tree.
  virtual Status leaves(const RowsView& rows, LeafAnswer answer, const LeafGrid& out,
                        std::span<std::byte> scratch) const noexcept = 0;

  [[nodiscard]] virtual size_t scratch_bytes(uint64_t n_rows) const noexcept = 0;
  [[nodiscard]] virtual uint64_t preferred_rows() const noexcept = 0;
  [[nodiscard]] virtual uint64_t resident_bytes() const noexcept = 0;
};

/// Fills sums, C order [n_rows, base.size()], with `start`, or with the base values where it is null.
template <class Sum>
void begin_sums(const Sum* start, std::span<const Sum> base, uint64_t n_rows, Sum* sums) noexcept {
  if (start == sums) return;
  if (start != nullptr) {
    std::copy_n(start, n_rows * base.size(), sums);
    return;
  }
  for (uint64_t row = 0; row < n_rows; ++row) {
    sums = std::copy(base.begin(), base.end(), sums);
  }
}

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
