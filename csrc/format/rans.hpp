// A static order-0 entropy coder for bytes (range asymmetric numeral systems, Duda 2013).
// docs/format.md, "Planes", is normative for the stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cordwood::format {

/// Codes every `stride`-th byte, `count` of them. Returns false where the result would not be
/// shorter than `limit` bytes; `stream` is then empty. May throw std::bad_alloc.
[[nodiscard]] bool rans_encode(const std::byte* bytes, uint64_t count, std::size_t stride,
                               uint64_t limit, std::vector<std::byte>& stream);

/// Fills every `stride`-th byte, `count` of them. Returns false unless `stream` holds exactly that.
[[nodiscard]] bool rans_decode(std::span<const std::byte> stream, std::byte* bytes, uint64_t count,
                               std::size_t stride) noexcept;

}  // namespace cordwood::format
