#include "runtime/program.hpp"

#include <algorithm>

#include "plan/decide_row.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {
namespace {

template <class T>
void decide(const plan::Step& step, const void* values, uint64_t n_rows, uint64_t n_columns,
            int64_t* out) noexcept {
  const uint64_t width = plan::decide_width(step.decide, step.groups.size(), n_columns);
  const auto* row = static_cast<const T*>(values);
  for (uint64_t r = 0; r < n_rows; ++r, row += n_columns, out += width) {
    plan::decide_row(step.decide, step.groups.data(), step.groups.size(), row, n_columns, out);
  }
}

}  // namespace

Result<Program> Program::build(const format::FileView& file, const KernelRow& kernels,
                               const plan::TreeRange* range, plan::RowForm form) noexcept {
  Result<plan::RowProgram> steps = plan::RowProgram::read(file, form);
  if (!steps) return steps.status();
  return guard_memory("program", [&]() -> Result<Program> {
    Program program(std::move(*steps));
    program.kernels_ = &kernels;
    program.form_ = form;
    program.n_features_ = program.steps_.n_features();
    const uint32_t last = plan::last_trees(file);
    for (const plan::Step& step : program.steps_.steps()) {
      if (step.opcode != CORDWOOD_OP_TREE_ENSEMBLE) continue;
      CORDWOOD_RETURN_IF_FAILED(
          program.add_trees(file, step, step.record == last ? range : nullptr));
    }
    return program;
  });
}

Status Program::add_trees(const format::FileView& file, const plan::Step& step,
                          const plan::TreeRange* range) {
  Result<format::TreeArrays> arrays = format::expand_trees(file, step.record);
  if (!arrays) return arrays.status();
  if (form_ == plan::RowForm::kBins) {
    Result<TreeBinning> binning = TreeBinning::plan(*arrays, *kernels_);
    if (!binning) return binning.status();
    binning_.emplace(std::move(*binning));
    n_features_ = static_cast<uint32_t>(binning_->form().n_columns());
    if (range != nullptr) *arrays = plan::take_trees_alone(*arrays, *range);
  } else if (range != nullptr) {
    *arrays = plan::take_trees(*arrays, *range);
  }
  n_trees_ += arrays->attributes.n_trees;
  Result<TreeOperator> trees =
      binning_ ? TreeOperator::prepare_binned(std::move(*arrays), binning_->form(), *kernels_)
               : TreeOperator::prepare(std::move(*arrays), *kernels_);
  if (!trees) return trees.status();
  trees_.push_back(std::move(*trees));
  return {};
}

Status Program::run(const plan::Target& target, const RowsView& rows, void* out,
                    std::span<std::byte> scratch) const noexcept {
  if (!target.leaves) return run_route(steps_.route_to(target.value), rows, nullptr, out, scratch);
  return trees_.back().leaves(rows, static_cast<int32_t*>(out), scratch);
}

Status Program::finish(const plan::Target& target, const void* margin, uint64_t n_rows, void* out,
                       std::span<std::byte> scratch) const noexcept {
  RowsView rows;
  rows.n_rows = n_rows;
  return run_route(steps_.route_from_margin(target.value), rows, margin, out, scratch);
}

Status Program::run_route(const plan::Route& route, const RowsView& rows, const void* given,
                          void* out, std::span<std::byte> scratch) const noexcept {
  const std::size_t tree_bytes = tree_scratch_bytes(rows.n_rows);
  const std::span<std::byte> buffers = scratch.subspan(tree_bytes);
  const auto input = [&](uint32_t place) -> const void* {
    if (place == plan::Route::kNowhere) return nullptr;
    return place == plan::Route::kGiven ? given : buffer(place, rows.n_rows, buffers);
  };
  for (const plan::Route::Entry& entry : route.entries) {
    void* const output =
        entry.output == plan::Route::kAnswer ? out : buffer(entry.output, rows.n_rows, buffers);
    CORDWOOD_RETURN_IF_FAILED(run_step(steps_.steps()[entry.step], rows, input(entry.input),
                                       input(entry.start), output, scratch.first(tree_bytes)));
  }
  return {};
}

std::byte* Program::buffer(uint32_t number, uint64_t n_rows,
                           std::span<std::byte> scratch) const noexcept {
  std::byte* at = scratch.data();
  for (uint32_t before = 0; before < number; ++before) {
    at += whole_lines(n_rows * steps_.buffer_row_bytes()[before]);
  }
  return at;
}

Status Program::run_step(const plan::Step& step, const RowsView& rows, const void* input,
                         const void* start, void* out,
                         std::span<std::byte> tree_scratch) const noexcept {
  if (step.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    return trees_[step.tree].margin(rows, start, out, tree_scratch);
  }
  if (step.opcode == CORDWOOD_OP_LINK) {
    run_link(step, input, rows.n_rows, out);
    return {};
  }
  const plan::ValueInfo& source = steps_.values()[step.input];
  if (source.dtype == CORDWOOD_DTYPE_FLOAT32) {
    decide<float>(step, input, rows.n_rows, source.columns, static_cast<int64_t*>(out));
  } else {
    decide<double>(step, input, rows.n_rows, source.columns, static_cast<int64_t*>(out));
  }
  return {};
}

void Program::run_link(const plan::Step& step, const void* margin, uint64_t n_rows,
                       void* out) const noexcept {
  const plan::ValueInfo& source = steps_.values()[step.input];
  const auto task = [&]<class T>(T) {
    return kernels::LinkTask<T>{.margin = static_cast<const T*>(margin),
                                .out = static_cast<T*>(out),
                                .n_rows = n_rows,
                                .n_columns = source.columns,
                                .scale = step.link.scale,
                                .offset = step.link.offset,
                                .kind = step.link.kind,
                                .complement = step.link.complement};
  };
  const bool logit = step.link.kind == CORDWOOD_LINK_LOGIT;
  if (source.dtype == CORDWOOD_DTYPE_FLOAT32) {
    (logit ? kernels_->logit_f32 : kernels_->link_f32)(task(float{}));
  } else {
    (logit ? kernels_->logit_f64 : kernels_->link_f64)(task(double{}));
  }
}

std::size_t Program::tree_scratch_bytes(uint64_t n_rows) const noexcept {
  std::size_t bytes = 0;
  for (const TreeOperator& tree : trees_) bytes = std::max(bytes, tree.scratch_bytes(n_rows));
  return whole_lines(bytes);
}

std::size_t Program::scratch_bytes(uint64_t n_rows) const noexcept {
  std::size_t bytes = tree_scratch_bytes(n_rows);
  for (const uint64_t row_bytes : steps_.buffer_row_bytes())
    bytes += whole_lines(n_rows * row_bytes);
  return bytes;
}

plan::ValueInfo Program::target_info(const plan::Target& target) const noexcept {
  if (!target.leaves) return steps_.values()[target.value];
  return {.dtype = CORDWOOD_DTYPE_INT32,
          .role = CORDWOOD_ROLE_NONE,
          .rank = 2,
          .columns = trees_.back().attributes().n_trees};
}

uint64_t Program::preferred_rows() const noexcept {
  uint64_t rows = UINT64_MAX;
  for (const TreeOperator& tree : trees_) rows = std::min(rows, tree.preferred_rows());
  return std::max<uint64_t>(rows, 1);
}

uint64_t Program::resident_bytes() const noexcept {
  uint64_t bytes = binning_ ? binning_->form().columns()->resident_bytes() : 0;
  for (const TreeOperator& tree : trees_) bytes += tree.resident_bytes();
  return bytes;
}

}  // namespace cordwood::runtime
