// Typed windows onto the bytes of a .cord file, and the door that lets bytes become one.
// A FileView borrows: the bytes must outlive it. It copies records out, so the bytes need no alignment.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bits.hpp"
#include "base/result.hpp"
#include "format/layout.h"
#include "format/net_operators.h"
#include "format/operators.h"

namespace cordwood::format {

static_assert(std::endian::native == std::endian::little, "the format is read in place");
static_assert(sizeof(cordwood_header) == 64 && sizeof(cordwood_section) == 32);
static_assert(sizeof(cordwood_operator) == 24 && sizeof(cordwood_value) == 64);
static_assert(sizeof(cordwood_tensor) == 88 && sizeof(cordwood_labels) == 8);
static_assert(sizeof(cordwood_tree_attributes) == 72);
static_assert(sizeof(cordwood_link_attributes) == 24 && sizeof(cordwood_decide_attributes) == 16);

/// An array of records that lies in bytes of any alignment.
template <class T>
class RecordsView {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  RecordsView() noexcept = default;
  explicit RecordsView(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() / sizeof(T); }
  [[nodiscard]] T operator[](std::size_t index) const noexcept {
    return load_unaligned<T>(bytes_.data() + index * sizeof(T));
  }

 private:
  std::span<const std::byte> bytes_;
};

/// A string table: `uint32_t count, uint32_t end[count]`, then UTF-8.
class StringsView {
 public:
  StringsView() noexcept = default;
  StringsView(std::span<const std::byte> ends, std::span<const std::byte> text) noexcept
      : ends_(ends), text_(text) {}

  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t index) const noexcept {
    const uint32_t first = index == 0 ? 0 : ends_[index - 1];
    return {reinterpret_cast<const char*>(text_.data()) + first, ends_[index] - first};
  }

 private:
  RecordsView<uint32_t> ends_;
  std::span<const std::byte> text_;
};

/// Labels of classes or categories: numbers as bytes of their type, or strings.
struct LabelsView {
  cordwood_label_type type = CORDWOOD_LABELS_INT64;
  uint32_t count = 0;
  std::span<const std::byte> numbers;  ///< int64, float64 or one byte each
  StringsView strings;                 ///< where type is CORDWOOD_LABELS_UTF8
};

/// The labels that stand for codes in one feature's column; the code is the position.
struct CategoryLabelsView {
  uint32_t feature = 0;
  LabelsView labels;
};

/// A section of a kind that this reader knows, as stored.
struct SectionView {
  cordwood_section record{};
  std::span<const std::byte> bytes;
};

constexpr uint32_t kSectionKinds = 13;  ///< one past the highest kind
constexpr uint32_t kMaxSections = 64;

/// A file that passed `validate`: no size, offset or id in it is doubted again.
struct FileView {
  std::span<const std::byte> bytes;
  cordwood_header header{};
  RecordsView<cordwood_section> sections;
  RecordsView<cordwood_operator> operators;
  RecordsView<uint32_t> operands;
  std::span<const std::byte> attributes;
  RecordsView<cordwood_value> values;
  RecordsView<cordwood_tensor> tensors;
  std::span<const std::byte> payload;
  std::optional<StringsView> feature_names;
  std::vector<LabelsView> classes;             ///< one table for each column of the label; or none
  std::vector<CategoryLabelsView> categories;  ///< ascending by feature
  cordwood_unseen unseen = CORDWOOD_UNSEEN_MISSING;  ///< what a label means that is not listed
  std::string_view provenance;  ///< well-formed JSON; empty where the file has none

  /// Whether it reads inputs, not rows.
  [[nodiscard]] bool is_net() const noexcept {
    for (std::size_t id = 0; id < values.size(); ++id) {
      if (values[id].role == CORDWOOD_ROLE_INPUT) return true;
    }
    return false;
  }
  [[nodiscard]] uint32_t input(const cordwood_operator& op, uint32_t index) const noexcept {
    return operands[op.first_operand + index];
  }
  [[nodiscard]] uint32_t output(const cordwood_operator& op, uint32_t index) const noexcept {
    return operands[op.first_operand + op.input_count + index];
  }
  /// Id of a tensor operand; CORDWOOD_NO_TENSOR where it is absent.
  [[nodiscard]] uint32_t tensor(const cordwood_operator& op, uint32_t index) const noexcept {
    return operands[op.first_operand + op.input_count + op.output_count + index];
  }
  /// The attributes of an operator, whose size `validate` compared with its opcode.
  template <class T>
  [[nodiscard]] T attributes_of(const cordwood_operator& op) const noexcept {
    return load_unaligned<T>(attributes.data() + op.attribute_offset);
  }
  /// A tensor's bytes as encoded.
  [[nodiscard]] std::span<const std::byte> encoded(const cordwood_tensor& tensor) const noexcept {
    return payload.subspan(tensor.offset, tensor.length);
  }
};

enum class CheckLevel : uint8_t {
  all,        ///< everything
  structure,  ///< everything but the checksum of PAYLOAD
};

/// Judges bytes once. The tensors' contents are judged where they are decoded.
Result<FileView> validate(std::span<const std::byte> bytes, CheckLevel level) noexcept;

/// Columns of each group of a validated decide; empty where it has no groups.
Result<std::vector<uint32_t>> decide_groups(const FileView& file,
                                            const cordwood_operator& op) noexcept;

/// Bits of one element; 0 for a number that is no dtype.
[[nodiscard]] uint32_t dtype_bits(uint8_t dtype) noexcept;

/// Elements of a validated tensor.
[[nodiscard]] uint64_t element_count(const cordwood_tensor& tensor) noexcept;

/// Outputs that share a row of a sparse tensor's mask.
[[nodiscard]] uint64_t mask_outputs(uint8_t sparsity) noexcept;

/// Bytes of a validated tensor once decoded; of a sparse one, of all its elements.
[[nodiscard]] uint64_t decoded_bytes(const cordwood_tensor& tensor) noexcept;

[[nodiscard]] const char* section_name(uint32_t kind) noexcept;
[[nodiscard]] const char* dtype_name(uint8_t dtype) noexcept;
[[nodiscard]] const char* opcode_name(uint16_t opcode) noexcept;

}  // namespace cordwood::format
