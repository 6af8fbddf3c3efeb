// The door, inner part: feature names and provenance.

#include "format/validate_parts.hpp"

namespace cordwood::format {
bool is_utf8(std::span<const std::byte> bytes) noexcept {
  const auto at = [&](std::size_t i) { return std::to_integer<uint32_t>(bytes[i]); };
  for (std::size_t i = 0; i < bytes.size();) {
    const uint32_t lead = at(i);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || length > bytes.size() - i) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
    }
    // Overlong forms, surrogates, and code points past U+10FFFF show in the second byte.
    if (length > 2) {
      const uint32_t second = at(i + 1);
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0) ||
          (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) {
        return false;
      }
    }
    i += length;
  }
  return true;
}

bool take_strings(std::span<const std::byte>& bytes, StringsView& strings) noexcept {
  if (bytes.size() < sizeof(uint32_t)) return false;
  const auto count = load_unaligned<uint32_t>(bytes.data());
  const auto table = bytes.subspan(sizeof(uint32_t));
  if (count > table.size() / sizeof(uint32_t)) return false;
  const auto ends = table.first(count * sizeof(uint32_t));
  const auto text = table.subspan(ends.size());
  const RecordsView<uint32_t> end_of(ends);
  uint32_t first = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t end = end_of[i];
    if (end < first || end > text.size() || !is_utf8(text.subspan(first, end - first)))
      return false;
    first = end;
  }
  strings = StringsView(ends, text.first(first));
  bytes = text.subspan(first);
  return true;
}

/// Inputs and outputs of a net.
static uint64_t count_ports(const FileView& file) noexcept {
  uint64_t count = 0;
  for (std::size_t id = 0; id < file.values.size(); ++id) {
    const uint8_t role = file.values[id].role;
    count += role == CORDWOOD_ROLE_INPUT || role == CORDWOOD_ROLE_OUTPUT;
  }
  return count;
}

Status parse_names(std::span<const std::byte> bytes, FileView& file) noexcept {
  StringsView names;
  const std::size_t size = bytes.size();
  if (!take_strings(bytes, names) || !bytes.empty()) {
    return fail(CORDWOOD_STATUS_string_table_invalid, "section names",
                "its {} bytes are no string table: count, ascending ends, UTF-8", size);
  }
  const uint64_t expected = file.is_net() ? count_ports(file) : rows_of(file).dimension[1];
  if (names.size() != expected) {
    return fail(CORDWOOD_STATUS_string_table_invalid, "section names",
                "{} names given, expected {}: a feature's for each column of the rows, or one for "
                "each input and output of a net",
                names.size(), expected);
  }
  file.feature_names = names;
  return {};
}

Status parse_provenance(std::span<const std::byte> bytes, FileView& file) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_utf8(bytes) || !is_json_object(text)) {
    return fail(CORDWOOD_STATUS_provenance_invalid, "section provenance",
                "its {} bytes are not one JSON object in UTF-8", bytes.size());
  }
  file.provenance = text;
  return {};
}

}  // namespace cordwood::format
