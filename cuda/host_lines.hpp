// Items of the host's memory in lines, and the same items packed: line after line, without a gap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cordwood::cuda {

/// Where the items of a matrix lie, seen from the first one.
struct LineForm {
  int64_t line_stride = 0;  ///< bytes
  int64_t item_stride = 1;  ///< bytes
  uint64_t n_lines = 1;
  uint64_t n_items = 0;     ///< of a line
  uint64_t item_bytes = 1;  ///< 1, 2, 4 or 8

  [[nodiscard]] uint64_t line_bytes() const noexcept { return n_items * item_bytes; }
  [[nodiscard]] uint64_t bytes() const noexcept { return n_lines * line_bytes(); }
};

/// Bytes that lie packed on the host as well.
[[nodiscard]] constexpr LineForm one_line(uint64_t bytes) noexcept {
  return {.n_items = bytes};
}

/// Packs to `to` what becomes bytes `first` to `first + bytes` - 1 of all: whole items.
void pack_piece(const LineForm& form, const std::byte* from, uint64_t first, uint64_t bytes,
                std::byte* to) noexcept;

/// The way back: `from` holds those bytes, `to` is where the first item of all belongs.
void unpack_piece(const LineForm& form, const std::byte* from, uint64_t first, uint64_t bytes,
                  std::byte* to) noexcept;

}  // namespace cordwood::cuda
