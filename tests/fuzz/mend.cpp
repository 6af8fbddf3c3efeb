#include "mend.hpp"

#include <algorithm>
#include <cstring>

#include "format/crc32.hpp"
#include "format/layout.h"

namespace cordwood::fuzz {

void mend(std::span<uint8_t> file) noexcept {
  const auto bytes = std::as_writable_bytes(file);
  cordwood_header header{};
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(header.magic, CORDWOOD_MAGIC, sizeof header.magic);
  header.major = CORDWOOD_MAJOR;
  header.minor = CORDWOOD_MINOR;
  header.file_bytes = bytes.size();
  header.checksum = 0;

  const uint64_t room = (bytes.size() - sizeof header) / sizeof(cordwood_section);
  const uint64_t count = std::min<uint64_t>(header.section_count, room);
  const auto table = bytes.subspan(sizeof header, count * sizeof(cordwood_section));
  for (uint64_t i = 0; i < count; ++i) {
    cordwood_section section{};
    std::byte* const record = table.data() + i * sizeof section;
    std::memcpy(&section, record, sizeof section);
    if (section.offset <= bytes.size() && section.length <= bytes.size() - section.offset) {
      section.checksum = format::crc32(bytes.subspan(section.offset, section.length));
      std::memcpy(record, &section, sizeof section);
    }
  }

  const uint32_t start = format::crc32(std::as_bytes(std::span(&header, 1)));
  header.checksum = format::crc32(table, start);
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace cordwood::fuzz
