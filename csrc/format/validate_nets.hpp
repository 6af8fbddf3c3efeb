// What the door's two files on nets share: an operator with its records, and how it is refused.
#pragma once

#include "format/validate_parts.hpp"

namespace cordwood::format {

/// One operator of the file on its way through the door.
struct Judge {
  const FileView& file;
  const cordwood_operator& op;
  uint32_t index;

  template <class T>
  [[nodiscard]] T attributes() const noexcept {
    return file.attributes_of<T>(op);
  }
  [[nodiscard]] bool has(uint32_t operand) const noexcept {
    return file.tensor(op, operand) != CORDWOOD_NO_TENSOR;
  }
  [[nodiscard]] cordwood_tensor tensor(uint32_t operand) const noexcept {
    return file.tensors[file.tensor(op, operand)];
  }
  [[nodiscard]] cordwood_value input(uint32_t operand) const noexcept {
    return file.values[file.input(op, operand)];
  }
  [[nodiscard]] cordwood_value output(uint32_t operand) const noexcept {
    return file.values[file.output(op, operand)];
  }

  Status need(bool good, const char* expected) const noexcept {
    if (good) return {};
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, opcode_name(op.opcode), expected,
                index);
  }
  Status need_tensor(bool good, const char* expected) const noexcept {
    if (good) return {};
    return fail(CORDWOOD_STATUS_operator_shape_mismatch, opcode_name(op.opcode), expected, index);
  }

  /// A plain float32 vector of so many entries.
  [[nodiscard]] bool is_vector(uint32_t operand, uint64_t size) const noexcept {
    const cordwood_tensor given = tensor(operand);
    return given.dtype == CORDWOOD_DTYPE_FLOAT32 && given.quant_axis == CORDWOOD_NO_TENSOR &&
           given.rank == 1 && given.dimension[0] == size;
  }
  [[nodiscard]] bool is_vector_or_absent(uint32_t operand, uint64_t size) const noexcept {
    return !has(operand) || is_vector(operand, size);
  }
  /// Numbers that a product multiplies by: floats, or codes with scales.
  [[nodiscard]] bool is_weight(uint32_t operand) const noexcept {
    if (!has(operand)) return false;
    const cordwood_tensor given = tensor(operand);
    const bool floats = given.dtype == CORDWOOD_DTYPE_FLOAT16 ||
                        given.dtype == CORDWOOD_DTYPE_BFLOAT16 ||
                        given.dtype == CORDWOOD_DTYPE_FLOAT32;
    return (floats || given.quant_axis == 1) && element_count(given) != 0;
  }
};

/// The axis is one of the first input.
inline Status check_axis(const Judge& judge, uint32_t axis) noexcept {
  return judge.need(axis < judge.input(0).rank, "operator {}: expected an axis of the input");
}

/// Operators that work on arrays, without parameters of a layer.
Status check_array_operator(const Judge& judge) noexcept;

/// Values held as codes stand only where an operator of images reads or writes them.
Status check_codings(const Judge& judge) noexcept;

}  // namespace cordwood::format
