// The door, inner part: the attributes of each operator, and the types and shapes around it.
#include <cmath>
#include <limits>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr uint64_t kMaxColumns = (uint64_t{1} << 31) - 1;

bool is_float(uint8_t dtype) noexcept {
  return dtype == CORDWOOD_DTYPE_FLOAT32 || dtype == CORDWOOD_DTYPE_FLOAT64;
}

/// Columns of a value of shape (batch, constant); 0 for any other shape.
uint64_t columns_of(const cordwood_value& value) noexcept {
  const bool rows = value.rank == 2 && value.symbol_of[0] == 1 && value.symbol_of[1] == 0;
  return rows ? value.dimension[1] : 0;
}

bool float32_holds(double number) noexcept {
  return std::fabs(number) <= std::numeric_limits<float>::max() &&
         static_cast<double>(static_cast<float>(number)) == number;
}

Status bad_attributes(uint16_t opcode, const char* expected, uint32_t index) noexcept {
  return fail(CORDWOOD_STATUS_operator_attributes_invalid, opcode_name(opcode), expected, index);
}

Status bad_shape(uint16_t opcode, const char* expected, uint32_t index) noexcept {
  return fail(CORDWOOD_STATUS_operator_shape_mismatch, opcode_name(opcode), expected, index);
}

bool tree_choices_known(const cordwood_tree_attributes& trees) noexcept {
  constexpr uint32_t flags = CORDWOOD_TREES_ACCEPT_NAN | CORDWOOD_TREES_ACCEPT_INFINITY;
  return is_float(trees.input_type) && is_float(trees.accumulate_type) &&
         trees.integer_cast <= CORDWOOD_INTEGER_VIA_FLOAT32 &&
         trees.category_rule <= CORDWOOD_CATEGORY_EXACT &&
         trees.aggregate <= CORDWOOD_AGGREGATE_AVERAGE &&
         trees.leaf_numbering <= CORDWOOD_NUMBER_LISTED && (trees.flags & ~flags) == 0 &&
         load_unaligned<uint32_t>(reinterpret_cast<const std::byte*>(trees.reserved)) == 0;
}

Status check_trees(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  const auto trees = file.attributes_of<cordwood_tree_attributes>(op);
  if (!tree_choices_known(trees)) {
    return bad_attributes(op.opcode,
                          "operator {} has a type, a choice or a flag that is not listed, or a "
                          "reserved byte that is not zero",
                          index);
  }
  if (trees.tree_encoding != CORDWOOD_TREES_COMPACT) {
    return bad_attributes(op.opcode,
                          "operator {} has trees in an encoding that this runtime does not read, "
                          "expected compact",
                          index);
  }
  const bool sum = trees.aggregate == CORDWOOD_AGGREGATE_SUM;
  if (!std::isfinite(trees.divisor) || trees.divisor <= 0 || (sum && trees.divisor != 1.0) ||
      !std::isfinite(trees.zero_band) || trees.zero_band < 0 || std::signbit(trees.zero_band)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a finite divisor above 0 (1 for a sum) and a "
                          "finite zero band of at least 0",
                          index);
  }
  if (trees.n_features == 0 || trees.n_outputs == 0 || trees.n_features > kMaxColumns ||
      trees.n_outputs > kMaxColumns || trees.n_inner > kMaxElements ||
      trees.n_leaf_rows > kMaxElements ||
      (trees.leaf_width != 1 && trees.leaf_width != trees.n_outputs)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected 1 to 2^31 - 1 features and outputs, at most 2^48 "
                          "nodes and leaf rows, and leaves of 1 or n_outputs numbers",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  if (source.dtype != trees.input_type || columns_of(source) != trees.n_features ||
      target.dtype != trees.accumulate_type || columns_of(target) != trees.n_outputs) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read (batch, n_features) of its input type and to "
                     "write (batch, n_outputs) of its accumulate type",
                     index);
  }
  return {};
}

Status check_link(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  const auto link = file.attributes_of<cordwood_link_attributes>(op);
  const bool sigmoid = link.kind == CORDWOOD_LINK_SIGMOID;
  if (link.kind > CORDWOOD_LINK_SOFTMAX || link.complement > 1 || !std::isfinite(link.scale) ||
      link.scale <= 0 || (!sigmoid && link.scale != 1.0) ||
      (link.kind == CORDWOOD_LINK_SOFTMAX && link.complement != 0)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a kind of 0 to 3, a complement of 0 or 1 (0 for "
                          "softmax) and a finite scale above 0 (1 unless sigmoid)",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  const uint64_t columns = columns_of(source);
  const bool complement = link.complement == 1;
  if (!is_float(source.dtype) || target.dtype != source.dtype || columns == 0 ||
      (complement && columns != 1) || columns_of(target) != (complement ? 2 : columns)) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read and write (batch, columns) of one float type, "
                     "one column in and two out for a complement",
                     index);
  }
  return {};
}

Status check_decide(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
  const bool argmax = decide.rule == CORDWOOD_DECIDE_ARGMAX;
  if (decide.rule > CORDWOOD_DECIDE_GREATER_EQUAL || decide.group_count != 0 ||
      !std::isfinite(decide.cut) || (argmax && decide.cut != 0.0)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a rule of 0 to 2, a finite cut (0 for argmax) and "
                          "a zero reserved field",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  const uint64_t columns = columns_of(source);
  if (source.dtype == CORDWOOD_DTYPE_FLOAT32 && !float32_holds(decide.cut)) {
    return bad_attributes(op.opcode, "operator {}: expected a cut that float32 holds exactly",
                          index);
  }
  if (!is_float(source.dtype) || columns == 0 || (!argmax && columns > 2) ||
      target.dtype != CORDWOOD_DTYPE_INT64 || target.rank != 1 || target.symbol_of[0] != 1) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read (batch, columns) of a float type, at most two "
                     "columns unless argmax, and to write (batch) of int64",
                     index);
  }
  return {};
}

}  // namespace

Status check_operator(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  switch (op.opcode) {
    case CORDWOOD_OP_TREE_ENSEMBLE:
      return check_trees(file, op, index);
    case CORDWOOD_OP_LINK:
      return check_link(file, op, index);
    default:
      return check_decide(file, op, index);
  }
}

}  // namespace cordwood::format
