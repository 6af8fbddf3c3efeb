// The door, inner part: operator records, their operands and attributes, and the order in which
// values come to be.
#include <algorithm>
#include <vector>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr const char* kPlace = "section program";

/// Runs in OPERANDS and ATTRIBUTES follow each other in operator order and leave nothing over.
struct Cursor {
  uint64_t operand = 0;
  uint64_t attribute = 0;
};

Status check_runs(const FileView& file, const cordwood_operator& op, uint32_t index,
                  Cursor& cursor) noexcept {
  const uint64_t operands =
      uint64_t{op.input_count} + uint64_t{op.output_count} + uint64_t{op.tensor_count};
  if (op.first_operand != cursor.operand || operands > file.operands.size() - cursor.operand) {
    return fail(CORDWOOD_STATUS_operator_operands_invalid, kPlace,
                "operator {} has {} operands from {}, expected them from {} and within section "
                "operands",
                index, operands, op.first_operand, cursor.operand);
  }
  cursor.operand += operands;
  if (op.attribute_offset != cursor.attribute || op.attribute_bytes % 8 != 0 ||
      op.attribute_bytes > file.attributes.size() - cursor.attribute) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, kPlace,
                "operator {} has {} attribute bytes from {}, expected a multiple of 8 from {} and "
                "within section attributes",
                index, op.attribute_bytes, op.attribute_offset, cursor.attribute);
  }
  cursor.attribute += op.attribute_bytes;
  return {};
}

Status check_signature(const cordwood_operator& op, uint32_t index) noexcept {
  Signature signature{};
  if (!signature_of(op.opcode, signature)) {
    return fail(CORDWOOD_STATUS_operator_unknown, kPlace,
                "operator {} has opcode {}, which this build does not know; use a newer cordwood",
                index, op.opcode);
  }
  if (op.version != 1) {
    return fail(CORDWOOD_STATUS_operator_version_not_supported, opcode_name(op.opcode),
                "operator {} has version {}, expected 1; use a newer cordwood", index, op.version);
  }
  if (op.input_count < signature.inputs || op.input_count > signature.most_inputs ||
      op.output_count < signature.outputs || op.output_count > signature.most_outputs ||
      op.tensor_count < signature.tensors || op.tensor_count > signature.most_tensors) {
    return fail(CORDWOOD_STATUS_operator_operands_invalid, opcode_name(op.opcode),
                "operator {} has {} inputs, {} outputs and {} tensors, not those of its opcode",
                index, op.input_count, op.output_count, op.tensor_count);
  }
  if (op.attribute_bytes != signature.attribute_bytes) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, opcode_name(op.opcode),
                "operator {} has {} attribute bytes, expected {}", index, op.attribute_bytes,
                signature.attribute_bytes);
  }
  return {};
}

/// Tensor ids name what exists, each tensor once: no file can make a runtime decode one again and
/// again.
Status check_tensor_operands(const FileView& file, const cordwood_operator& op, uint32_t index,
                             std::vector<bool>& named) {
  for (uint32_t i = 0; i < op.tensor_count; ++i) {
    const uint32_t id = file.tensor(op, i);
    if (id == CORDWOOD_NO_TENSOR) continue;
    if (id >= file.tensors.size() || named[id]) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, opcode_name(op.opcode),
                  "operator {} names tensor {}, the file has {}, each to be named once", index, id,
                  file.tensors.size());
    }
    named[id] = true;
    // Scales, zero points and masks belong to their tensor: the operator names them with it.
    const cordwood_tensor tensor = file.tensors[id];
    const bool reads = tensor.sparsity == CORDWOOD_SPARSITY_DENSE ? reads_quantised(op.opcode)
                                                                  : reads_sparse(op.opcode);
    for (const uint32_t part : {tensor.scale_tensor, tensor.zero_tensor, tensor.sparsity_tensor}) {
      if (part == CORDWOOD_NO_TENSOR) continue;
      if (named[part] || !reads) {
        return fail(CORDWOOD_STATUS_tensor_encoding_unknown, opcode_name(op.opcode),
                    "operator {} names the quantised or sparse tensor {}, which it does not read "
                    "or whose tensor {} is named already",
                    index, id, part);
      }
      named[part] = true;
    }
  }
  return {};
}

/// Value ids name what exists; each input is made before it is read, each output is made once.
Status check_order(const FileView& file, const cordwood_operator& op, uint32_t index,
                   std::vector<bool>& made) {
  for (uint32_t i = 0; i < uint32_t{op.input_count} + op.output_count; ++i) {
    const uint32_t id = file.operands[op.first_operand + i];
    if (id >= file.values.size()) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, opcode_name(op.opcode),
                  "operator {} names value {}, the file has {}", index, id, file.values.size());
    }
    const bool is_output = i >= op.input_count;
    if (made[id] == is_output) {
      return fail(CORDWOOD_STATUS_operator_order_invalid, opcode_name(op.opcode),
                  is_output ? "operator {} writes value {}, which is already made"
                            : "operator {} reads value {}, which nothing has made yet",
                  index, id);
    }
    made[id] = true;
  }
  return {};
}

/// Every operand and attribute byte is used, every value is made, every tensor is named.
Status check_nothing_left(const FileView& file, const Cursor& cursor, const std::vector<bool>& made,
                          const std::vector<bool>& named) noexcept {
  if (cursor.operand != file.operands.size()) {
    return fail(CORDWOOD_STATUS_operator_operands_invalid, "section operands",
                "operators use {} operands, the section has {}", cursor.operand,
                file.operands.size());
  }
  if (cursor.attribute != file.attributes.size()) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, "section attributes",
                "operators use {} bytes, the section has {}", cursor.attribute,
                file.attributes.size());
  }
  if (const auto value = std::ranges::find(made, false); value != made.end()) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, kPlace,
                "value {} is made by no operator, expected one", value - made.begin());
  }
  if (const auto tensor = std::ranges::find(named, false); tensor != named.end()) {
    return fail(CORDWOOD_STATUS_operator_operands_invalid, kPlace,
                "tensor {} is named by no operator, expected one", tensor - named.begin());
  }
  return {};
}

}  // namespace

Status check_program(const FileView& file) noexcept {
  return guard_memory(kPlace, [&]() -> Status {
    std::vector<bool> made(file.values.size());
    bool net = false;
    for (uint32_t id = 0; id < file.values.size(); ++id) {
      const uint8_t role = file.values[id].role;
      made[id] = role == CORDWOOD_ROLE_ROWS || role == CORDWOOD_ROLE_INPUT;
      net = net || role == CORDWOOD_ROLE_INPUT;
    }
    std::vector<bool> named(file.tensors.size());
    Cursor cursor;
    for (uint32_t index = 0; index < file.operators.size(); ++index) {
      const cordwood_operator op = file.operators[index];
      CORDWOOD_RETURN_IF_FAILED(check_runs(file, op, index, cursor));
      CORDWOOD_RETURN_IF_FAILED(check_signature(op, index));
      CORDWOOD_RETURN_IF_FAILED(check_tensor_operands(file, op, index, named));
      CORDWOOD_RETURN_IF_FAILED(check_order(file, op, index, made));
      if (is_net_opcode(op.opcode) != net) {
        return fail(CORDWOOD_STATUS_operator_unknown, opcode_name(op.opcode),
                    "operator {} is of a net, expected inputs instead of rows; or of a tree model, "
                    "expected rows",
                    index);
      }
      CORDWOOD_RETURN_IF_FAILED(net ? check_net_operator(file, op, index)
                                    : check_operator(file, op, index));
    }
    return check_nothing_left(file, cursor, made, named);
  });
}

}  // namespace cordwood::format
