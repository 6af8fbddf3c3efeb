// The door, inner part: feature names, class labels and provenance.
#include <algorithm>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

/// Parses a whole string table; false where it is malformed.
bool parse_strings(std::span<const std::byte> bytes, StringsView& strings) noexcept {
  if (bytes.size() < sizeof(uint32_t)) return false;
  const auto count = load_unaligned<uint32_t>(bytes.data());
  bytes = bytes.subspan(sizeof(uint32_t));
  if (count > bytes.size() / sizeof(uint32_t)) return false;
  const auto ends = bytes.first(count * sizeof(uint32_t));
  const auto text = bytes.subspan(ends.size());
  const RecordsView<uint32_t> end_of(ends);
  uint32_t first = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t end = end_of[i];
    if (end < first || end > text.size() || !is_utf8(text.subspan(first, end - first)))
      return false;
    first = end;
  }
  strings = StringsView(ends, text);
  return first == text.size();
}

Status bad_labels(const char* expected, uint64_t given, uint64_t count) noexcept {
  return fail(CORDWOOD_STATUS_labels_invalid, "section classes", expected, given, count);
}

Status parse_label_data(std::span<const std::byte> data, LabelsView& labels) noexcept {
  if (labels.type == CORDWOOD_LABELS_UTF8) {
    if (parse_strings(data, labels.strings) && labels.strings.size() == labels.count) return {};
    return bad_labels("the string table of {} bytes does not hold {} strings in UTF-8", data.size(),
                      labels.count);
  }
  const uint64_t label_bytes = labels.type == CORDWOOD_LABELS_BOOL ? 1 : 8;
  if (data.size() != label_bytes * labels.count) {
    return bad_labels("{} bytes given, expected {}", data.size(), label_bytes * labels.count);
  }
  const auto is_bool = [](std::byte byte) { return byte <= std::byte{1}; };
  if (labels.type == CORDWOOD_LABELS_BOOL && !std::ranges::all_of(data, is_bool)) {
    return bad_labels("{} bool labels given, expected each to be 0 or 1", labels.count, 0);
  }
  labels.numbers = data;
  return {};
}

/// Classes that a decide operator chooses among.
uint64_t class_count(const FileView& file, const cordwood_operator& op) noexcept {
  const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
  if (decide.rule != CORDWOOD_DECIDE_ARGMAX) return 2;
  return file.values[file.input(op, 0)].dimension[1];
}

}  // namespace

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

Status parse_names(std::span<const std::byte> bytes, FileView& file) noexcept {
  StringsView names;
  if (!parse_strings(bytes, names)) {
    return fail(CORDWOOD_STATUS_string_table_invalid, "section names",
                "its {} bytes are no string table: count, ascending ends, UTF-8", bytes.size());
  }
  for (uint32_t id = 0; id < file.values.size(); ++id) {
    const cordwood_value value = file.values[id];
    if (value.role != CORDWOOD_ROLE_ROWS || value.dimension[1] == names.size()) continue;
    return fail(CORDWOOD_STATUS_string_table_invalid, "section names",
                "{} feature names given, expected {}, the columns of the rows", names.size(),
                value.dimension[1]);
  }
  file.feature_names = names;
  return {};
}

Status parse_classes(std::span<const std::byte> bytes, FileView& file) noexcept {
  if (bytes.size() < sizeof(cordwood_labels)) {
    return bad_labels("{} bytes given, expected at least {}", bytes.size(),
                      sizeof(cordwood_labels));
  }
  const auto head = load_unaligned<cordwood_labels>(bytes.data());
  if (head.type < CORDWOOD_LABELS_INT64 || head.type > CORDWOOD_LABELS_UTF8) {
    return bad_labels("label type {} given, expected 1 to {}", head.type, CORDWOOD_LABELS_UTF8);
  }
  LabelsView labels;
  labels.type = static_cast<cordwood_label_type>(head.type);
  labels.count = head.count;
  CORDWOOD_RETURN_IF_FAILED(parse_label_data(bytes.subspan(sizeof head), labels));
  for (uint32_t i = 0; i < file.operators.size(); ++i) {
    const cordwood_operator op = file.operators[i];
    if (op.opcode != CORDWOOD_OP_DECIDE || class_count(file, op) == labels.count) continue;
    return bad_labels("{} labels given, expected {}, the classes that a decide chooses among",
                      labels.count, class_count(file, op));
  }
  file.classes = labels;
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
