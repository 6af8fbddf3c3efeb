// Slicing-by-8: eight tables let one step take eight bytes, so that the loads overlap.
// Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC
// Generators", 2005.
#include "format/crc32.hpp"

#include <array>

#include "base/bits.hpp"

namespace cordwood::format {
namespace {

using Table = std::array<uint32_t, 256>;

constexpr std::array<Table, 8> make_tables() noexcept {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1u) != 0 ? 0xEDB88320u : 0u);
    }
    tables[0][byte] = remainder;
  }
  for (std::size_t slice = 1; slice < tables.size(); ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFFu];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kTables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t previous) noexcept {
  uint32_t remainder = ~previous;
  while (bytes.size() >= 8) {
    const uint64_t word = load_unaligned<uint64_t>(bytes.data()) ^ remainder;
    remainder = kTables[7][word & 0xFF] ^ kTables[6][(word >> 8) & 0xFF] ^
                kTables[5][(word >> 16) & 0xFF] ^ kTables[4][(word >> 24) & 0xFF] ^
                kTables[3][(word >> 32) & 0xFF] ^ kTables[2][(word >> 40) & 0xFF] ^
                kTables[1][(word >> 48) & 0xFF] ^ kTables[0][word >> 56];
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    remainder = (remainder >> 8) ^ kTables[0][(remainder ^ std::to_integer<uint32_t>(byte)) & 0xFF];
  }
  return ~remainder;
}

}  // namespace cordwood::format
