// The door, inner part: values that are held as codes, at each operator that names them.
#include "format/validate_nets.hpp"

namespace cordwood::format {
namespace {

bool is_coded(const cordwood_value& value) noexcept {
  return value.code_scale != 0.0f;
}

bool same_coding(const cordwood_value& a, const cordwood_value& b) noexcept {
  return a.code_scale == b.code_scale && a.code_zero == b.code_zero;
}

/// A convolution of integers reads codes as its rows are coded; its residual and its answer may be any.
bool conv_takes(const Judge& judge) noexcept {
  const cordwood_linear_attributes product = judge.attributes<cordwood_conv_attributes>().product;
  if (product.rows == CORDWOOD_ROWS_FLOAT32) return false;
  const cordwood_value x = judge.input(0);
  return !is_coded(x) || (product.rows == CORDWOOD_ROWS_UINT8_STATIC &&
                          product.row_scale == x.code_scale && product.row_zero == x.code_zero);
}

/// A maximum of codes is the code of the maximum.
bool pool_takes(const Judge& judge) noexcept {
  return judge.attributes<cordwood_pool_attributes>().kind == CORDWOOD_POOL_MAX &&
         same_coding(judge.input(0), judge.output(0));
}

}  // namespace

Status check_codings(const Judge& judge) noexcept {
  bool coded = false;
  for (uint32_t i = 0; i < uint32_t{judge.op.input_count} + judge.op.output_count; ++i) {
    coded = coded || is_coded(judge.file.values[judge.file.operands[judge.op.first_operand + i]]);
  }
  const bool taken = !coded || (judge.op.opcode == CORDWOOD_OP_CONV && conv_takes(judge)) ||
                     (judge.op.opcode == CORDWOOD_OP_POOL && pool_takes(judge));
  return judge.need(taken,
                    "operator {}: expected values held as codes at convolutions of integers, whose "
                    "rows have their scale and zero point, and at maxima that keep them");
}

}  // namespace cordwood::format
