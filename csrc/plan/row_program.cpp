// From the records of a validated file to a RowProgram. The door has judged sizes, ids, order, types and
// shapes; here whatever this build cannot run is refused by name.
#include "plan/row_program.hpp"

#include <algorithm>

namespace cordwood::plan {

Result<RowProgram> RowProgram::read(const format::FileView& file, RowForm form) noexcept {
  return guard_memory("program", [&]() -> Result<RowProgram> {
    RowProgram program;
    const std::size_t n_steps = file.operators.size();
    if (n_steps > kMaxSteps) {
      return fail(CORDWOOD_STATUS_operator_order_invalid, "program",
                  "{} operators, this build runs at most {}", n_steps, kMaxSteps);
    }
    CORDWOOD_RETURN_IF_FAILED(program.read_values(file));
    for (uint32_t index = 0; index < n_steps; ++index) {
      CORDWOOD_RETURN_IF_FAILED(program.add_step(file, index));
    }
    if (program.n_tree_operators_ == 0) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, "program",
                  "no tree_ensemble operator, this build runs tree models");
    }
    CORDWOOD_RETURN_IF_FAILED(program.check_form(form));
    program.find_routes();
    return program;
  });
}

Status RowProgram::check_form(RowForm form) const noexcept {
  if (form == RowForm::kValues || n_tree_operators_ == 1) return {};
  return fail(CORDWOOD_STATUS_output_not_available, "binned rows",
              "the model adds up {} ensembles of trees, each with columns of its own; rows are "
              "binned for one. Pass the rows themselves",
              n_tree_operators_);
}

Status RowProgram::read_values(const format::FileView& file) {
  const std::size_t count = file.values.size();
  values_.resize(count);
  for (uint32_t id = 0; id < count; ++id) {
    const cordwood_value record = file.values[id];
    if (record.rank > 2) {
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
    }
  }
  return {};
}

Status RowProgram::add_step(const format::FileView& file, uint32_t index) {
  const cordwood_operator record = file.operators[index];
  if (record.opcode != CORDWOOD_OP_TREE_ENSEMBLE && record.opcode != CORDWOOD_OP_LINK &&
      record.opcode != CORDWOOD_OP_DECIDE) {
    return fail(CORDWOOD_STATUS_operator_unknown, "program",
                "operator {} has opcode {}; this build runs tree_ensemble (1), link (2) and "
                "decide (3)",
                index, record.opcode);
  }
  Step step;
  step.opcode = record.opcode;
  step.record = index;
  step.input = file.input(record, 0);
  step.output = file.output(record, 0);
  if (record.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    CORDWOOD_RETURN_IF_FAILED(add_trees(file, step));
  } else if (step.input == rows_value_) {
    return fail(
        CORDWOOD_STATUS_operator_order_invalid, "program",
        "operator {} reads the rows, this build runs tree_ensemble on them and nothing else",
        index);
  } else if (record.opcode == CORDWOOD_OP_LINK) {
    step.link = file.attributes_of<cordwood_link_attributes>(record);
  } else {
    CORDWOOD_RETURN_IF_FAILED(add_decide(file, step));
  }
  steps_.push_back(std::move(step));
  return {};
}

Status RowProgram::add_trees(const format::FileView& file, Step& step) {
  if (step.input != rows_value_) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "tree_ensemble",
                "reads value {}, expected the rows, value {}", step.input, rows_value_);
  }
  const cordwood_operator record = file.operators[step.record];
  if (record.input_count > 1) step.start = file.input(record, 1);
  if (step.start == rows_value_) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "tree_ensemble",
                "starts from the rows, value {}, expected an operator's value", rows_value_);
  }
  step.tree = n_tree_operators_++;
  margin_value_ = step.output;
  return {};
}

Status RowProgram::add_decide(const format::FileView& file, Step& step) {
  const cordwood_operator record = file.operators[step.record];
  step.decide = file.attributes_of<cordwood_decide_attributes>(record);
  Result<std::vector<uint32_t>> groups = format::decide_groups(file, record);
  if (!groups) return groups.status();
  step.groups = std::move(*groups);
  uint64_t& classes = values_[step.output].classes;
  if (step.decide.rule != CORDWOOD_DECIDE_ARGMAX) {
    classes = 2;
  } else if (step.groups.empty()) {
    classes = values_[step.input].columns;
  } else {
    classes = *std::max_element(step.groups.begin(), step.groups.end());
  }
  return {};
}

std::optional<Target> RowProgram::by_role(uint8_t role) const noexcept {
  for (uint32_t id = 0; id < values_.size(); ++id) {
    if (values_[id].role == role) return Target{id, false};
  }
  return std::nullopt;
}

std::array<std::optional<Target>, CORDWOOD_TARGET_COUNT> RowProgram::answers() const noexcept {
  std::array<std::optional<Target>, CORDWOOD_TARGET_COUNT> answers;
  answers[CORDWOOD_TARGET_MARGIN] = Target{margin_value_, false};
  answers[CORDWOOD_TARGET_RESPONSE] = by_role(CORDWOOD_ROLE_RESPONSE);
  answers[CORDWOOD_TARGET_PROBABILITY] = by_role(CORDWOOD_ROLE_PROBABILITY);
  answers[CORDWOOD_TARGET_LABEL] = by_role(CORDWOOD_ROLE_LABEL);
  answers[CORDWOOD_TARGET_LEAVES] = Target{0, true};
  answers[CORDWOOD_TARGET_SCORE] = by_role(CORDWOOD_ROLE_SCORE);
  answers[CORDWOOD_TARGET_DECISION] = by_role(CORDWOOD_ROLE_DECISION);
  answers[CORDWOOD_TARGET_EMBEDDING] = by_role(CORDWOOD_ROLE_EMBEDDING);
  return answers;
}

}  // namespace cordwood::plan
