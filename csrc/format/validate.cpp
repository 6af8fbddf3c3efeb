// The door, outer part: header, section table, places and checksums of sections. Every byte of a
// file is the header, the table, inside one section, or padding that must be zero, so a change
// anywhere is seen.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "format/crc32.hpp"
#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr uint64_t kHeaderBytes = sizeof(cordwood_header);
constexpr std::size_t kMagicDigit = 5;  // "\x89CORD1\r\n"

using Sections = std::array<SectionView, kSectionKinds>;

bool all_zero(std::span<const std::byte> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

Status check_magic(std::span<const std::byte> bytes) noexcept {
  constexpr std::string_view magic(CORDWOOD_MAGIC, 8);
  if (bytes.size() < magic.size()) {
    return fail(CORDWOOD_STATUS_file_too_short, "file",
                "{} bytes given, expected a .cord file of at least {}", bytes.size(), kHeaderBytes);
  }
  std::array<char, 8> found{};
  std::memcpy(found.data(), bytes.data(), found.size());
  const char digit = found[kMagicDigit];
  found[kMagicDigit] = magic[kMagicDigit];
  if (std::string_view(found.data(), found.size()) != magic || digit < '1' || digit > '9') {
    return fail(CORDWOOD_STATUS_bad_magic, "file",
                "the first bytes are not those of a .cord file; was it moved in text mode?");
  }
  if (digit != magic[kMagicDigit]) {
    return fail(CORDWOOD_STATUS_newer_major_version, "file",
                "the format's major version is {}, this build reads {}; use a newer cordwood",
                digit - '0', CORDWOOD_MAJOR);
  }
  return {};
}

/// The checksum covers the header with its own field as zero, then the section table.
uint32_t header_checksum(cordwood_header header, std::span<const std::byte> table) noexcept {
  header.checksum = 0;
  return crc32(table, crc32(std::as_bytes(std::span(&header, 1))));
}

Status check_header(FileView& file) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check_magic(file.bytes));
  if (file.bytes.size() < kHeaderBytes) {
    return fail(CORDWOOD_STATUS_file_too_short, "header", "{} bytes given, expected at least {}",
                file.bytes.size(), kHeaderBytes);
  }
  file.header = load_unaligned<cordwood_header>(file.bytes.data());
  const cordwood_header& header = file.header;
  if (header.major > CORDWOOD_MAJOR) {
    return fail(CORDWOOD_STATUS_newer_major_version, "header",
                "the format's major version is {}, this build reads {}; use a newer cordwood",
                header.major, CORDWOOD_MAJOR);
  }
  if (header.file_bytes != file.bytes.size()) {
    return fail(CORDWOOD_STATUS_file_length_mismatch, "header",
                "the header says {} bytes, {} are given; the file is cut or has a tail",
                header.file_bytes, file.bytes.size());
  }
  const uint64_t table_bytes = uint64_t{header.section_count} * sizeof(cordwood_section);
  if (header.section_count > kMaxSections || table_bytes > file.bytes.size() - kHeaderBytes) {
    return fail(CORDWOOD_STATUS_section_table_out_of_bounds, "header",
                "{} sections given, expected at most {} that fit {} bytes", header.section_count,
                kMaxSections, file.bytes.size());
  }
  const auto table = file.bytes.subspan(kHeaderBytes, table_bytes);
  file.sections = RecordsView<cordwood_section>(table);
  const uint32_t computed = header_checksum(header, table);
  if (computed != header.checksum) {
    return fail(CORDWOOD_STATUS_header_checksum_mismatch, "header",
                "checksum {x} stored, {x} computed; the file is damaged", header.checksum,
                computed);
  }
  if (header.major != CORDWOOD_MAJOR || header.profile > CORDWOOD_PROFILE_EDGE ||
      !all_zero(std::as_bytes(std::span(header.reserved)))) {
    return fail(CORDWOOD_STATUS_bad_header, "header",
                "major version {} and profile {} with reserved bytes, expected {}, 0 or 1, and "
                "zero bytes",
                header.major, header.profile, CORDWOOD_MAJOR);
  }
  if (header.profile == CORDWOOD_PROFILE_EDGE) {
    return fail(CORDWOOD_STATUS_profile_not_supported, "header",
                "this file has the edge profile, which this runtime does not read; pack the model "
                "with the standard profile");
  }
  return {};
}

/// The record of section `index`, judged without looking at its bytes.
Status check_record(const cordwood_section& record, uint32_t index, bool known) noexcept {
  const char* place = section_name(record.kind);
  if ((record.flags & ~uint32_t{CORDWOOD_SECTION_REQUIRED}) != 0) {
    return fail(CORDWOOD_STATUS_section_flags_unknown, place,
                "section {} has flags {x}, expected no other than {x}", index, record.flags,
                CORDWOOD_SECTION_REQUIRED);
  }
  if (!known) {
    if ((record.flags & CORDWOOD_SECTION_REQUIRED) == 0) return {};
    return fail(CORDWOOD_STATUS_section_unknown_required, place,
                "section {} has kind {}, which this build does not know and the file requires; "
                "use a newer cordwood",
                index, record.kind);
  }
  if (record.version != 1) {
    return fail(CORDWOOD_STATUS_section_version_not_supported, place,
                "section {} has version {}, expected 1; use a newer cordwood", index,
                record.version);
  }
  if (record.encoding != 0) {
    return fail(CORDWOOD_STATUS_section_encoding_not_supported, place,
                "section {} has encoding {}, expected 0; use a newer cordwood", index,
                record.encoding);
  }
  return {};
}

/// A section starts at the first multiple of the alignment after what stands before it.
Status check_place(const FileView& file, const cordwood_section& record, uint32_t index,
                   uint64_t previous_end) noexcept {
  const char* place = section_name(record.kind);
  if (record.offset % CORDWOOD_ALIGNMENT != 0) {
    return fail(CORDWOOD_STATUS_section_misaligned, place,
                "section {} starts at byte {}, expected a multiple of {}", index, record.offset,
                CORDWOOD_ALIGNMENT);
  }
  uint64_t end = 0;
  if (!checked_add(record.offset, record.length, end) || end > file.bytes.size()) {
    return fail(CORDWOOD_STATUS_section_out_of_bounds, place,
                "section {} starts at byte {} and has {}, the file ends at {}", index,
                record.offset, record.length, file.bytes.size());
  }
  if (record.offset < previous_end) {
    return fail(CORDWOOD_STATUS_section_overlap, place,
                "section {} starts at byte {}, what stands before it ends at {}", index,
                record.offset, previous_end);
  }
  if (record.offset - previous_end >= CORDWOOD_ALIGNMENT) {
    return fail(CORDWOOD_STATUS_section_hole, place,
                "section {} starts at byte {}, what stands before it ends at {}: more than padding",
                index, record.offset, previous_end);
  }
  if (!all_zero(file.bytes.subspan(previous_end, record.offset - previous_end))) {
    return fail(CORDWOOD_STATUS_section_padding_not_zero, place,
                "the padding from byte {} to {} before section {} is not zero", previous_end,
                record.offset, index);
  }
  return {};
}

Status check_sections(const FileView& file, CheckLevel level, Sections& known) noexcept {
  uint64_t previous_end = kHeaderBytes + file.sections.size() * sizeof(cordwood_section);
  for (uint32_t index = 0; index < file.sections.size(); ++index) {
    const cordwood_section record = file.sections[index];
    const char* place = section_name(record.kind);
    const bool is_known =
        (record.kind >= CORDWOOD_SECTION_PROGRAM && record.kind <= CORDWOOD_SECTION_PROVENANCE) ||
        record.kind == CORDWOOD_SECTION_CATEGORIES;
    for (uint32_t earlier = 0; earlier < index; ++earlier) {  // at most kMaxSections
      if (file.sections[earlier].kind != record.kind) continue;
      return fail(CORDWOOD_STATUS_section_duplicate, place,
                  "sections {} and {} both have kind {}, expected one of each", earlier, index,
                  record.kind);
    }
    CORDWOOD_RETURN_IF_FAILED(check_record(record, index, is_known));
    CORDWOOD_RETURN_IF_FAILED(check_place(file, record, index, previous_end));
    previous_end = record.offset + record.length;
    const auto bytes = file.bytes.subspan(record.offset, record.length);
    if (level == CheckLevel::all || record.kind != CORDWOOD_SECTION_PAYLOAD) {
      if (const uint32_t computed = crc32(bytes); computed != record.checksum) {
        return fail(CORDWOOD_STATUS_section_checksum_mismatch, place,
                    "section {}: checksum {x} stored, {x} computed; the file is damaged", index,
                    record.checksum, computed);
      }
    }
    if (is_known) known[record.kind] = {record, bytes};
  }
  if (previous_end != file.bytes.size()) {
    return fail(CORDWOOD_STATUS_section_hole, "file",
                "the last section ends at byte {}, the file at {}", previous_end,
                file.bytes.size());
  }
  return {};
}

/// Record sizes of the sections that are arrays; 1 for the others.
constexpr std::array<uint64_t, kSectionKinds> kRecordBytes{1,
                                                           sizeof(cordwood_operator),
                                                           sizeof(uint32_t),
                                                           1,
                                                           sizeof(cordwood_value),
                                                           sizeof(cordwood_tensor),
                                                           1,
                                                           1,
                                                           1,
                                                           1,
                                                           1,
                                                           1,
                                                           1};

Status check_presence(const Sections& known) noexcept {
  for (uint32_t kind = CORDWOOD_SECTION_PROGRAM; kind <= CORDWOOD_SECTION_PAYLOAD; ++kind) {
    if (known[kind].record.kind != kind) {
      return fail(CORDWOOD_STATUS_section_missing, section_name(kind),
                  "the file has no section of kind {}, expected one", kind);
    }
    if (known[kind].bytes.size() % kRecordBytes[kind] != 0) {
      return fail(CORDWOOD_STATUS_section_size_not_whole, section_name(kind),
                  "{} bytes given, expected a multiple of {}", known[kind].bytes.size(),
                  kRecordBytes[kind]);
    }
  }
  return {};
}

Status check_contents(const Sections& known, FileView& file) noexcept {
  file.operators = RecordsView<cordwood_operator>(known[CORDWOOD_SECTION_PROGRAM].bytes);
  file.operands = RecordsView<uint32_t>(known[CORDWOOD_SECTION_OPERANDS].bytes);
  file.attributes = known[CORDWOOD_SECTION_ATTRIBUTES].bytes;
  file.values = RecordsView<cordwood_value>(known[CORDWOOD_SECTION_VALUES].bytes);
  file.tensors = RecordsView<cordwood_tensor>(known[CORDWOOD_SECTION_TENSORS].bytes);
  file.payload = known[CORDWOOD_SECTION_PAYLOAD].bytes;
  CORDWOOD_RETURN_IF_FAILED(check_values(file));
  CORDWOOD_RETURN_IF_FAILED(check_tensors(file));
  CORDWOOD_RETURN_IF_FAILED(check_program(file));
  if (known[CORDWOOD_SECTION_NAMES].record.kind != 0) {
    CORDWOOD_RETURN_IF_FAILED(parse_names(known[CORDWOOD_SECTION_NAMES].bytes, file));
  }
  if (known[CORDWOOD_SECTION_CLASSES].record.kind != 0) {
    CORDWOOD_RETURN_IF_FAILED(parse_classes(known[CORDWOOD_SECTION_CLASSES].bytes, file));
  }
  if (known[CORDWOOD_SECTION_PROVENANCE].record.kind != 0) {
    CORDWOOD_RETURN_IF_FAILED(parse_provenance(known[CORDWOOD_SECTION_PROVENANCE].bytes, file));
  }
  if (known[CORDWOOD_SECTION_CATEGORIES].record.kind != 0) {
    CORDWOOD_RETURN_IF_FAILED(parse_categories(known[CORDWOOD_SECTION_CATEGORIES].bytes, file));
  }
  return {};
}

}  // namespace

const char* section_name(uint32_t kind) noexcept {
  constexpr std::array<const char*, kSectionKinds> names{
      "section unknown",   "section program",    "section operands",  "section attributes",
      "section values",    "section tensors",    "section payload",   "section names",
      "section classes",   "section provenance", "section signature", "section encryption",
      "section categories"};
  return names[kind < names.size() ? kind : 0];
}

Result<FileView> validate(std::span<const std::byte> bytes, CheckLevel level) noexcept {
  FileView file;
  file.bytes = bytes;
  Sections known{};
  CORDWOOD_RETURN_IF_FAILED(check_header(file));
  CORDWOOD_RETURN_IF_FAILED(check_sections(file, level, known));
  CORDWOOD_RETURN_IF_FAILED(check_presence(known));
  CORDWOOD_RETURN_IF_FAILED(check_contents(known, file));
  return file;
}

}  // namespace cordwood::format
