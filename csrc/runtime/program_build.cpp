// From the records of a validated file to a Program. The door has judged sizes, ids, order, types and
// shapes; here whatever this build cannot run is refused by name.

#include <algorithm>

#include "runtime/program.hpp"

namespace cordwood::runtime {

Result<Program> Program::build(const format::FileView& file, const KernelRow& kernels,
                               const TreeRange* range, RowForm form) noexcept {
  return guard_memory("program", [&]() -> Result<Program> {
    Program program;
    program.kernels_ = &kernels;
    program.form_ = form;
    const std::size_t n_steps = file.operators.size();
    if (n_steps > kMaxSteps) {
      return fail(CORDWOOD_STATUS_operator_order_invalid, "program",
                  "{} operators, this build runs at most {}", n_steps, kMaxSteps);
    }
    CORDWOOD_RETURN_IF_FAILED(program.read_values(file));
    for (uint32_t index = 0; index < n_steps; ++index) {
      const bool last = index == last_trees(file);
      CORDWOOD_RETURN_IF_FAILED(program.add_step(file, index, kernels, last ? range : nullptr));
    }
    if (program.trees_.empty()) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, "program",
                  "no tree_ensemble operator, this build runs tree models");
    }
    program.make_plans();
    return program;
  });
}

Status Program::read_values(const format::FileView& file) {
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

Status Program::add_step(const format::FileView& file, uint32_t index, const KernelRow& kernels,
                         const TreeRange* range) {
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
  step.input = file.input(record, 0);
  step.output = file.output(record, 0);
  if (record.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    CORDWOOD_RETURN_IF_FAILED(add_trees(file, index, step, kernels, range));
  } else if (step.input == rows_value_) {
    return fail(
        CORDWOOD_STATUS_operator_order_invalid, "program",
        "operator {} reads the rows, this build runs tree_ensemble on them and nothing else",
        index);
  } else if (record.opcode == CORDWOOD_OP_LINK) {
    step.link = file.attributes_of<cordwood_link_attributes>(record);
  } else {
    CORDWOOD_RETURN_IF_FAILED(add_decide(file, record, step));
  }
  steps_.push_back(std::move(step));
  return {};
}

Status Program::add_decide(const format::FileView& file, const cordwood_operator& record,
                           Step& step) {
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

Status Program::add_trees(const format::FileView& file, uint32_t index, Step& step,
                          const KernelRow& kernels, const TreeRange* range) {
  if (step.input != rows_value_) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "tree_ensemble",
                "reads value {}, expected the rows, value {}", step.input, rows_value_);
  }
  if (file.operators[index].input_count > 1) step.start = file.input(file.operators[index], 1);
  if (step.start == rows_value_) {
    return fail(CORDWOOD_STATUS_operator_order_invalid, "tree_ensemble",
                "starts from the rows, value {}, expected an operator's value", rows_value_);
  }
  Result<format::TreeArrays> arrays = format::expand_trees(file, index);
  if (!arrays) return arrays.status();
  if (form_ == RowForm::kBins) {
    CORDWOOD_RETURN_IF_FAILED(plan_binning(file, *arrays, kernels));
    if (range != nullptr) *arrays = take_trees_alone(*arrays, *range);
  } else if (range != nullptr) {
    *arrays = take_trees(*arrays, *range);
  }
  const cordwood_tree_attributes attributes = arrays->attributes;
  Result<TreeOperator> trees =
      binning_ ? TreeOperator::prepare_binned(std::move(*arrays), *binning_, kernels)
               : TreeOperator::prepare(std::move(*arrays), kernels);
  if (!trees) return trees.status();
  margin_value_ = step.output;
  step.tree = static_cast<uint32_t>(trees_.size());
  trees_.push_back(std::move(*trees));
  n_trees_ += attributes.n_trees;
  return {};
}

Status Program::plan_binning(const format::FileView& file, const format::TreeArrays& arrays,
                             const KernelRow& kernels) {
  uint64_t ensembles = 0;
  for (std::size_t index = 0; index < file.operators.size(); ++index) {
    ensembles += file.operators[index].opcode == CORDWOOD_OP_TREE_ENSEMBLE;
  }
  if (ensembles != 1) {
    return fail(CORDWOOD_STATUS_output_not_available, "binned rows",
                "the model adds up {} ensembles of trees, each with columns of its own; rows are "
                "binned for one. Pass the rows themselves",
                ensembles);
  }
  Result<TreeBinning> binning = TreeBinning::plan(arrays, kernels);
  if (!binning) return binning.status();
  binning_.emplace(std::move(*binning));
  n_features_ = static_cast<uint32_t>(binning_->n_columns());
  return {};
}

}  // namespace cordwood::runtime
