#include "runtime/program.hpp"

#include <algorithm>
#include <array>

#include "runtime/decide.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {

Status Program::run(const Target& target, const RowsView& rows, void* out,
                    std::span<std::byte> scratch) const noexcept {
  const std::size_t tree_bytes = tree_scratch_bytes(rows.n_rows);
  const std::span<std::byte> tree_scratch = scratch.first(tree_bytes);
  if (target.leaves) return trees_[0].leaves(rows, static_cast<int32_t*>(out), tree_scratch);

  // From the answer back to the rows: each step reads the result of one before it.
  std::array<const Step*, kMaxSteps> chain;
  std::size_t length = 0;
  for (uint32_t value = target.value; value != rows_value_; value = chain[length - 1]->input) {
    chain[length++] = &steps_[maker_[value]];
  }

  // Intermediate results take turns in two buffers; the last step writes the answer itself.
  const std::size_t buffer_bytes = whole_lines(rows.n_rows * widest_row_bytes_);
  std::byte* const buffers[2] = {scratch.data() + tree_bytes,
                                 scratch.data() + tree_bytes + buffer_bytes};
  const void* input = nullptr;
  while (length > 0) {
    --length;
    void* const output = length == 0 ? out : buffers[length % 2];
    CORDWOOD_RETURN_IF_FAILED(run_step(*chain[length], rows, input, output, tree_scratch));
    input = output;
  }
  return {};
}

Status Program::run_step(const Step& step, const RowsView& rows, const void* input, void* out,
                         std::span<std::byte> tree_scratch) const noexcept {
  if (step.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    return trees_[step.tree].margin(rows, out, tree_scratch);
  }
  if (step.opcode == CORDWOOD_OP_LINK) {
    run_link(step, input, rows.n_rows, out);
    return {};
  }
  const ValueInfo& source = values_[step.input];
  const auto labels = static_cast<int64_t*>(out);
  if (source.dtype == CORDWOOD_DTYPE_FLOAT32) {
    decide(step.decide, static_cast<const float*>(input), rows.n_rows, source.columns, labels);
  } else {
    decide(step.decide, static_cast<const double*>(input), rows.n_rows, source.columns, labels);
  }
  return {};
}

void Program::run_link(const Step& step, const void* margin, uint64_t n_rows,
                       void* out) const noexcept {
  const ValueInfo& source = values_[step.input];
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
  return tree_scratch_bytes(n_rows) + 2 * whole_lines(n_rows * widest_row_bytes_);
}

ValueInfo Program::target_info(const Target& target) const noexcept {
  if (!target.leaves) return values_[target.value];
  return {.dtype = CORDWOOD_DTYPE_INT32,
          .role = CORDWOOD_ROLE_NONE,
          .rank = 2,
          .columns = trees_[0].attributes().n_trees};
}

uint64_t Program::preferred_rows() const noexcept {
  uint64_t rows = UINT64_MAX;
  for (const TreeOperator& tree : trees_) rows = std::min(rows, tree.preferred_rows());
  return std::max<uint64_t>(rows, 1);
}

uint64_t Program::resident_bytes() const noexcept {
  uint64_t bytes = 0;
  for (const TreeOperator& tree : trees_) bytes += tree.resident_bytes();
  return bytes;
}

}  // namespace cordwood::runtime
