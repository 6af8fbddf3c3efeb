// The parts of the door: each judges one group of sections of a FileView that `validate` is filling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "format/view.hpp"

namespace cordwood::format {

/// Most elements that a value's constant dimensions, or a tensor, may have: sizes in bits stay far
/// from 2^64.
constexpr uint64_t kMaxElements = uint64_t{1} << 48;

/// What all coded tensors of a file may decode to: kDecodedFloor + kDecodedFactor * file bytes. A
/// few bytes can stand for any number of equal elements, so this is what keeps memory bounded.
constexpr uint64_t kDecodedFloor = uint64_t{16} << 20;
constexpr uint64_t kDecodedFactor = 64;

/// VALUES: types, roles, shapes.
Status check_values(const FileView& file) noexcept;

/// TENSORS and PAYLOAD: types, shapes, encodings, places.
Status check_tensors(const FileView& file) noexcept;

/// PROGRAM, OPERANDS, ATTRIBUTES: operands, attributes, order, types and shapes around operators.
Status check_program(const FileView& file) noexcept;

/// What an opcode must look like.
struct Signature {
  uint32_t inputs;
  uint32_t most_inputs;
  uint32_t outputs;
  uint32_t most_outputs;
  uint32_t tensors;
  uint32_t most_tensors;
  uint32_t attribute_bytes;
};

/// False for an unknown opcode.
[[nodiscard]] bool signature_of(uint16_t opcode, Signature& signature) noexcept;

/// Whether an opcode belongs to nets, not to models of rows.
[[nodiscard]] bool is_net_opcode(uint16_t opcode) noexcept;

/// Whether an operator may name quantised tensors.
[[nodiscard]] bool reads_quantised(uint16_t opcode) noexcept;

/// Whether an operator may name sparse tensors.
[[nodiscard]] bool reads_sparse(uint16_t opcode) noexcept;

/// Attributes and tensors of an operator of a net. Shapes of values depend on what a caller brings:
/// they are inferred, and judged, before a run.
Status check_net_operator(const FileView& file, const cordwood_operator& op,
                          uint32_t index) noexcept;

/// Attributes of one operator, and the types and shapes of its values.
Status check_operator(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept;

/// The rows of a file whose values are checked.
[[nodiscard]] cordwood_value rows_of(const FileView& file) noexcept;

/// NAMES: parses the section and compares its count with the rows' columns.
Status parse_names(std::span<const std::byte> bytes, FileView& file) noexcept;

/// CLASSES: parses the section and compares its counts with what the label's decide chooses from.
Status parse_classes(std::span<const std::byte> bytes, FileView& file) noexcept;

/// CATEGORIES: parses the section; its features are columns of the rows, its labels differ.
Status parse_categories(std::span<const std::byte> bytes, FileView& file) noexcept;

/// PROVENANCE: UTF-8 and one JSON object.
Status parse_provenance(std::span<const std::byte> bytes, FileView& file) noexcept;

/// Takes a string table off the front of `bytes`; false where it is malformed.
[[nodiscard]] bool take_strings(std::span<const std::byte>& bytes, StringsView& strings) noexcept;

/// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::span<const std::byte> bytes) noexcept;

/// Whether the text is one JSON object of bounded depth, its numbers of bounded length.
[[nodiscard]] bool is_json_object(std::string_view text) noexcept;

}  // namespace cordwood::format
