// From the records of a validated file to a Program. The door has judged sizes and ids; here the
// operators' shapes and types are held against each other, and whatever this build cannot run is
// refused by name.

#include <algorithm>
#include <cmath>

#include "runtime/program.hpp"

namespace cordwood::runtime {
namespace {

bool is_float(uint8_t dtype) noexcept {
  return dtype == CORDWOOD_DTYPE_FLOAT32 || dtype == CORDWOOD_DTYPE_FLOAT64;
}

Status mismatch(const char* place, const char* text, uint64_t given, uint64_t expected) noexcept {
  return fail(CORDWOOD_STATUS_operator_shape_mismatch, place, text, given, expected);
}

}  // namespace

Result<Program> Program::build(const format::FileView& file, const KernelRow& kernels) noexcept {
  return guard_memory("program", [&]() -> Result<Program> {
    Program program;
    program.kernels_ = &kernels;
    const std::size_t n_steps = file.operators.size();
    if (n_steps > kMaxSteps) {
      return fail(CORDWOOD_STATUS_operator_order_invalid, "program",
                  "{} operators, this build runs at most {}", n_steps, kMaxSteps);
    }
    CORDWOOD_RETURN_IF_FAILED(program.read_values(file));
    for (uint32_t index = 0; index < n_steps; ++index) {
      CORDWOOD_RETURN_IF_FAILED(program.add_step(file, index, kernels));
    }
    if (program.trees_.empty()) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, "program",
                  "no tree_ensemble operator, this build runs tree models");
    }
    for (uint32_t id = 0; id < program.values_.size(); ++id) {
      if (id != program.rows_value_ && program.maker_[id] == kNoStep) {
        return fail(CORDWOOD_STATUS_operator_operands_invalid, "program",
                    "value {} is written by no operator", id);
      }
    }
    return program;
  });
}

Status Program::read_values(const format::FileView& file) {
  bool has_rows = false;
  const std::size_t count = file.values.size();
  values_.resize(count);
  maker_.assign(count, kNoStep);
  for (uint32_t id = 0; id < count; ++id) {
    const cordwood_value record = file.values[id];
    if (record.rank < 1 || record.rank > 2 || record.symbol_of[0] != 1 ||
        (record.rank == 2 && (record.symbol_of[1] != 0 || record.dimension[1] == 0 ||
                              record.dimension[1] > UINT32_MAX))) {
      return fail(CORDWOOD_STATUS_value_shape_invalid, "values",
                  "value {} has rank {}, this build runs (batch,) and (batch, columns)", id,
                  record.rank);
    }
    values_[id] = {.dtype = record.dtype,
                   .role = record.role,
                   .rank = record.rank,
                   .columns = record.rank == 2 ? record.dimension[1] : 1};
    if (record.role == CORDWOOD_ROLE_ROWS) {
      rows_value_ = id;
      n_features_ = static_cast<uint32_t>(values_[id].columns);
      has_rows = record.rank == 2;
    } else {
      widest_row_bytes_ = std::max(widest_row_bytes_, values_[id].row_bytes());
    }
  }
  if (has_rows) return {};
  return fail(CORDWOOD_STATUS_value_role_unknown, "values",
              "no value of shape (batch, features) has the role rows");
}

Status Program::add_step(const format::FileView& file, uint32_t index, const KernelRow& kernels) {
  const cordwood_operator record = file.operators[index];
  if (record.opcode != CORDWOOD_OP_TREE_ENSEMBLE && record.opcode != CORDWOOD_OP_LINK &&
      record.opcode != CORDWOOD_OP_DECIDE) {
    return fail(CORDWOOD_STATUS_operator_unknown, "program",
                "operator {} has opcode {}; this build runs tree_ensemble (1), link (2) and "
                "decide (3)",
                index, record.opcode);
  }
  if (record.input_count != 1 || record.output_count != 1) {
    return fail(CORDWOOD_STATUS_operator_operands_invalid, "program",
                "operator {} reads {} values and writes {}, expected one and one", index,
                record.input_count, record.output_count);
  }
  Step step;
  step.opcode = record.opcode;
  step.input = file.input(record, 0);
  step.output = file.output(record, 0);
  if (step.output == rows_value_ || maker_[step.output] != kNoStep) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "program",
                "operator {} writes value {}, which is written already", index, step.output);
  }
  if (record.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    CORDWOOD_RETURN_IF_FAILED(add_trees(file, index, step, kernels));
  } else {
    CORDWOOD_RETURN_IF_FAILED(check_source(step));
    if (record.opcode == CORDWOOD_OP_LINK) {
      step.link = file.attributes_of<cordwood_link_attributes>(record);
      CORDWOOD_RETURN_IF_FAILED(check_link(step));
    } else {
      step.decide = file.attributes_of<cordwood_decide_attributes>(record);
      CORDWOOD_RETURN_IF_FAILED(check_decide(step));
    }
  }
  maker_[step.output] = static_cast<uint32_t>(steps_.size());
  steps_.push_back(step);
  return {};
}

Status Program::add_trees(const format::FileView& file, uint32_t index, Step& step,
                          const KernelRow& kernels) {
  if (step.input != rows_value_) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "tree_ensemble",
                "reads value {}, expected the rows, value {}", step.input, rows_value_);
  }
  Result<format::TreeArrays> arrays = format::expand_trees(file, index);
  if (!arrays) return arrays.status();
  const cordwood_tree_attributes attributes = arrays->attributes;
  const ValueInfo& margin = values_[step.output];
  if (attributes.n_features != n_features_) {
    return mismatch("tree_ensemble", "{} features, but the rows have {}", attributes.n_features,
                    n_features_);
  }
  if (margin.rank != 2 || attributes.n_outputs != margin.columns) {
    return mismatch("tree_ensemble", "{} outputs, but the value written has {} columns",
                    attributes.n_outputs, margin.columns);
  }
  if (attributes.accumulate_type != margin.dtype || !is_float(margin.dtype)) {
    return mismatch("tree_ensemble", "sums in dtype {}, but the value written has dtype {}",
                    attributes.accumulate_type, margin.dtype);
  }
  Result<TreeOperator> trees = TreeOperator::prepare(std::move(*arrays), kernels);
  if (!trees) return trees.status();
  if (trees_.empty()) margin_value_ = step.output;
  step.tree = static_cast<uint32_t>(trees_.size());
  trees_.push_back(std::move(*trees));
  n_trees_ += attributes.n_trees;
  return {};
}

/// Links and decisions read what an earlier operator wrote, in a float type.
Status Program::check_source(const Step& step) const noexcept {
  if (step.input == rows_value_ || maker_[step.input] == kNoStep) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "program",
                "value {} is read before an operator has written it", step.input);
  }
  if (!is_float(values_[step.input].dtype)) {
    return mismatch("program", "value {} has dtype {}, expected float32 or float64", step.input,
                    values_[step.input].dtype);
  }
  return {};
}

Status Program::check_link(const Step& step) const noexcept {
  const ValueInfo& source = values_[step.input];
  const ValueInfo& target = values_[step.output];
  if (step.link.kind > CORDWOOD_LINK_SOFTMAX || step.link.complement > 1 ||
      !std::isfinite(step.link.scale)) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, "link",
                "kind {}, complement {}; expected a kind up to {}, 0 or 1, and a finite scale",
                step.link.kind, step.link.complement, CORDWOOD_LINK_SOFTMAX);
  }
  const bool complement = step.link.complement != 0;
  if (complement && (source.columns != 1 || step.link.kind == CORDWOOD_LINK_SOFTMAX)) {
    return mismatch("link", "a complement of {} columns and kind {}, expected one column",
                    source.columns, step.link.kind);
  }
  if (target.rank != 2 || target.columns != (complement ? 2 : source.columns)) {
    return mismatch("link", "{} columns written from {}", target.columns, source.columns);
  }
  if (target.dtype != source.dtype) {
    return mismatch("link", "dtype {} written from dtype {}, expected the same", target.dtype,
                    source.dtype);
  }
  return {};
}

Status Program::check_decide(const Step& step) noexcept {
  ValueInfo& target = values_[step.output];
  if (step.decide.rule > CORDWOOD_DECIDE_GREATER_EQUAL) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, "decide",
                "rule {}, expected one up to {}", step.decide.rule, CORDWOOD_DECIDE_GREATER_EQUAL);
  }
  if (target.rank != 1 || target.dtype != CORDWOOD_DTYPE_INT64) {
    return mismatch("decide", "a value of rank {} and dtype {} written, expected (batch,) int64",
                    target.rank, target.dtype);
  }
  const bool argmax = step.decide.rule == CORDWOOD_DECIDE_ARGMAX;
  target.classes = argmax ? values_[step.input].columns : 2;
  return {};
}

}  // namespace cordwood::runtime
