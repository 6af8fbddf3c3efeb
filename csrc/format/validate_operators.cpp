// The door, inner part: the attributes of each operator, and the types and shapes around it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "format/codec.hpp"
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

/// Whether a float type holds a finite number exactly.
bool holds(uint8_t dtype, double number) noexcept {
  if (!std::isfinite(number)) return false;
  if (dtype != CORDWOOD_DTYPE_FLOAT32) return true;
  return std::fabs(number) <= std::numeric_limits<float>::max() &&
         static_cast<double>(static_cast<float>(number)) == number;
}

bool is_plus_zero(double number) noexcept {
  return number == 0 && !std::signbit(number);
}

Status bad_attributes(uint16_t opcode, const char* expected, uint32_t index) noexcept {
  return fail(CORDWOOD_STATUS_operator_attributes_invalid, opcode_name(opcode), expected, index);
}

Status bad_shape(uint16_t opcode, const char* expected, uint32_t index) noexcept {
  return fail(CORDWOOD_STATUS_operator_shape_mismatch, opcode_name(opcode), expected, index);
}

bool tree_choices_known(const cordwood_tree_attributes& trees) noexcept {
  constexpr uint32_t flags = CORDWOOD_TREES_ACCEPT_NAN | CORDWOOD_TREES_ACCEPT_INFINITY |
                             CORDWOOD_TREES_MISSING_VALUE | CORDWOOD_TREES_MISSING_FROM_ZERO;
  return is_float(trees.input_type) && is_float(trees.accumulate_type) &&
         trees.integer_cast <= CORDWOOD_INTEGER_VIA_FLOAT32 &&
         trees.category_rule <= CORDWOOD_CATEGORY_EXACT &&
         (trees.aggregate <= CORDWOOD_AGGREGATE_AVERAGE ||
          trees.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN) &&
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
  const bool average = trees.aggregate == CORDWOOD_AGGREGATE_AVERAGE;
  if (!std::isfinite(trees.divisor) || trees.divisor <= 0 || (!average && trees.divisor != 1.0) ||
      !std::isfinite(trees.zero_band) || trees.zero_band < 0 || std::signbit(trees.zero_band)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a finite divisor above 0 (1 unless an average) "
                          "and a finite zero band of at least 0",
                          index);
  }
  const bool missing = (trees.flags & CORDWOOD_TREES_MISSING_VALUE) != 0;
  if (missing ? !holds(trees.input_type, trees.missing_value)
              : !is_plus_zero(trees.missing_value)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a missing value that the input type holds, +0.0 "
                          "where its flag is clear",
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
  if (trees.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN && trees.n_outputs != 1) {
    return bad_attributes(op.opcode, "operator {}: expected one output of a weighted median",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  const cordwood_value start = op.input_count == 2 ? file.values[file.input(op, 1)] : target;
  if (start.role == CORDWOOD_ROLE_ROWS) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, opcode_name(op.opcode),
                "operator {} starts from the rows, expected a value that an operator makes", index);
  }
  if (source.dtype != trees.input_type || columns_of(source) != trees.n_features ||
      target.dtype != trees.accumulate_type || columns_of(target) != trees.n_outputs ||
      start.dtype != target.dtype || columns_of(start) != trees.n_outputs) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read (batch, n_features) of its input type, and to "
                     "start from and write (batch, n_outputs) of its accumulate type",
                     index);
  }
  return {};
}

bool link_kind_known(uint32_t kind) noexcept {
  return kind <= CORDWOOD_LINK_SIGNED_SQUARE ||
         (kind >= CORDWOOD_LINK_SIGMOID_PAIR && kind <= CORDWOOD_LINK_LOGIT);
}

bool link_has_scale(uint32_t kind) noexcept {
  return kind == CORDWOOD_LINK_SIGMOID || kind == CORDWOOD_LINK_SIGMOID_PAIR ||
         kind == CORDWOOD_LINK_SOFTMAX || kind == CORDWOOD_LINK_LOGIT;
}

bool link_has_complement(uint32_t kind) noexcept {
  return kind <= CORDWOOD_LINK_EXP;  // identity, sigmoid, exp
}

/// Columns that a link writes for those that it reads; 0 where it cannot read so many.
uint64_t link_columns(const cordwood_link_attributes& link, uint64_t columns) noexcept {
  if (link.complement == 1 || link.kind == CORDWOOD_LINK_SIGMOID_PAIR) return columns == 1 ? 2 : 0;
  return link.kind == CORDWOOD_LINK_LOGIT && columns == 2 ? 1 : columns;
}

Status check_link(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  const auto link = file.attributes_of<cordwood_link_attributes>(op);
  if (!link_kind_known(link.kind) || link.complement > 1 ||
      (link.complement == 1 && !link_has_complement(link.kind))) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a kind that is listed, and a complement of 0 or "
                          "1, 1 for identity, sigmoid and exp alone",
                          index);
  }
  if (!std::isfinite(link.scale) || link.scale <= 0 ||
      (link.scale != 1.0 && !link_has_scale(link.kind))) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a finite scale above 0, 1 unless sigmoid, "
                          "sigmoid_pair, softmax or logit",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  const bool logit = link.kind == CORDWOOD_LINK_LOGIT;
  if (logit || link.kind == CORDWOOD_LINK_SHIFT ? !holds(source.dtype, link.offset)
                                                : !is_plus_zero(link.offset)) {
    return bad_attributes(op.opcode,
                          "operator {}: expected an offset that its input's type holds, +0.0 "
                          "unless shift or logit",
                          index);
  }
  if (logit && !(link.offset > 0 && link.offset < 0.5)) {
    return bad_attributes(op.opcode, "operator {}: expected a logit's offset above 0 and below 1/2",
                          index);
  }
  const uint64_t columns = link_columns(link, columns_of(source));
  if (!is_float(source.dtype) || target.dtype != source.dtype || columns == 0 ||
      columns_of(target) != columns) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read and write (batch, columns) of one float type: "
                     "one column in and two out for a complement and sigmoid_pair, one out for a "
                     "logit of two, else as many out as in",
                     index);
  }
  return {};
}

/// Whether a decide writes one column, several, or a value without columns, as its rule says.
bool decide_target_fits(const cordwood_value& target, const cordwood_decide_attributes& decide,
                        uint64_t columns) noexcept {
  if (target.dtype != CORDWOOD_DTYPE_INT64) return false;
  if (decide.rule == CORDWOOD_DECIDE_EACH_GREATER) return columns_of(target) == columns;
  if (decide.group_count != 0) return columns_of(target) == decide.group_count;
  return target.rank == 1 && target.symbol_of[0] == 1;
}

Status check_decide(const FileView& file, const cordwood_operator& op, uint32_t index) noexcept {
  const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
  const bool argmax = decide.rule == CORDWOOD_DECIDE_ARGMAX;
  const bool each = decide.rule == CORDWOOD_DECIDE_EACH_GREATER;
  if (decide.rule > CORDWOOD_DECIDE_EACH_GREATER || (!argmax && decide.group_count != 0) ||
      (argmax && !is_plus_zero(decide.cut))) {
    return bad_attributes(op.opcode,
                          "operator {}: expected a rule of 0 to 3, a cut of +0.0 for argmax, and "
                          "groups for argmax alone",
                          index);
  }
  const cordwood_value source = file.values[file.input(op, 0)];
  const cordwood_value target = file.values[file.output(op, 0)];
  if (!holds(source.dtype, decide.cut)) {
    return bad_attributes(op.opcode, "operator {}: expected a cut that its input's type holds",
                          index);
  }
  const uint64_t columns = columns_of(source);
  if (!is_float(source.dtype) || columns == 0 || (!argmax && !each && columns > 2) ||
      !decide_target_fits(target, decide, columns)) {
    return bad_shape(op.opcode,
                     "operator {}: expected to read (batch, columns) of a float type, at most two "
                     "for greater and greater_equal, and to write (batch) of int64, or (batch, n) "
                     "for each_greater and for n groups",
                     index);
  }
  return decide_groups(file, op).status();
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

Result<std::vector<uint32_t>> decide_groups(const FileView& file,
                                            const cordwood_operator& op) noexcept {
  return guard_memory("decide", [&]() -> Result<std::vector<uint32_t>> {
    const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
    std::vector<uint32_t> groups;
    const uint32_t id = op.tensor_count == 1 ? file.tensor(op, 0) : CORDWOOD_NO_TENSOR;
    const bool named = id != CORDWOOD_NO_TENSOR;
    if (op.tensor_count != (decide.group_count != 0 ? 1 : 0) || named != (op.tensor_count == 1) ||
        (named && file.tensors[id].dtype != CORDWOOD_DTYPE_UINT32)) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, "decide groups",
                  "{} tensors given for {} groups, expected one of uint32 with groups and none "
                  "without",
                  op.tensor_count, decide.group_count);
    }
    if (!named) return groups;
    const cordwood_tensor tensor = file.tensors[id];
    if (tensor.rank != 1 || tensor.dimension[0] != decide.group_count) {
      return fail(CORDWOOD_STATUS_tensor_shape_invalid, "decide groups",
                  "tensor {} has rank {} and {} elements, expected one axis of {}", id, tensor.rank,
                  element_count(tensor), decide.group_count);
    }
    Result<TensorBytes> decoded = decode_tensor(file, tensor, "decide groups");
    if (!decoded) return decoded.status();
    const RecordsView<uint32_t> sizes(decoded->bytes);
    groups.resize(sizes.size());
    uint64_t total = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      groups[i] = sizes[i];
      total += groups[i];
    }
    const uint64_t columns = file.values[file.input(op, 0)].dimension[1];
    if (total != columns || std::ranges::find(groups, 0u) != groups.end()) {
      return fail(CORDWOOD_STATUS_decide_groups_invalid, "decide groups",
                  "{} groups have {} columns together, expected {} and none empty", groups.size(),
                  total, columns);
    }
    return groups;
  });
}

}  // namespace cordwood::format
