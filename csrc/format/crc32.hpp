// CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320), the same number as zlib's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cordwood::format {

/// Checksum of `bytes`, continuing `previous` (0 to start).
[[nodiscard]] uint32_t crc32(std::span<const std::byte> bytes, uint32_t previous = 0) noexcept;

}  // namespace cordwood::format
