// Floats as differences of neighbours: sorted values lie close, so their high bytes become zeros.
// docs/format.md, "Differences", is normative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cordwood::format {

/// Whether elements of this width have differences: those of float32 and float64.
[[nodiscard]] constexpr bool has_differences(uint32_t element_bytes) noexcept {
  return element_bytes == 4 || element_bytes == 8;
}

/// Replaces every element by its key less the key before, modulo the width; the key before the
/// first is 0. Needs `has_differences(element_bytes)` and whole elements, as does its inverse.
void take_differences(std::span<std::byte> elements, uint32_t element_bytes) noexcept;

/// Gives the floats back, bit for bit. Whatever the bits, they are some floats.
void add_differences(std::span<std::byte> elements, uint32_t element_bytes) noexcept;

}  // namespace cordwood::format
