// A packed model ready to run: immutable, shared between threads, independent of the file's bytes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"
#include "plan/load_rule.hpp"
#include "runtime/context.hpp"
#include "runtime/program.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

class Model {
 public:
  /// Validates the bytes and prepares every operator. The bytes may go once this returns. Of the last
  /// tree operator just the trees of `range` are prepared, unless it is null.
  static Result<std::shared_ptr<const Model>> load(
      std::span<const std::byte> bytes, format::CheckLevel level,
      const cordwood_tree_range* range = nullptr,
      plan::RowForm form = plan::RowForm::kValues) noexcept;

  /// The same for a file that is validated already.
  static Result<std::shared_ptr<const Model>> prepare(
      const format::FileView& file, const cordwood_tree_range* range = nullptr,
      plan::RowForm form = plan::RowForm::kValues) noexcept;

  /// Writes the answer for `rows`, C-ordered, to `out`; only the operators that lead to the target
  /// run. Splits rows over up to `threads` threads where that pays; the split changes no bit.
  Status run(Context& context, const RowsView& rows, const plan::Target& target, void* out,
             unsigned threads) const noexcept;

  /// Adds the trees of stage `number` to `margin`, the C-ordered sums of all stages before (the first
  /// stage only writes it), and writes what `target` makes of it to `out`. The work is that of the
  /// stage's trees, not of those before.
  Status run_stage(Context& context, const RowsView& rows, uint64_t number,
                   const plan::Target& target, void* margin, void* out,
                   unsigned threads) const noexcept;

  /// Bins rows of values for this model, which must have been made for rows of bins. Splits rows as
  /// `run` does.
  Status bin(Context& context, const RowsView& rows, const BinGrid& out,
             unsigned threads) const noexcept;

  /// What the trees sum up to, whatever its role.
  [[nodiscard]] plan::Target margin() const noexcept {
    return {program_.steps().margin_value(), false};
  }
  /// The leaves that rows reach in the last tree operator.
  [[nodiscard]] plan::Target leaves() const noexcept { return {0, true}; }

  /// The whole program; of a model with stages that of the first.
  [[nodiscard]] const Program& program() const noexcept { return program_; }
  /// Stages; 0 where the model was not loaded with any.
  [[nodiscard]] uint64_t n_stages() const noexcept { return n_stages_; }
  [[nodiscard]] uint64_t n_trees() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  class Answer;
  class Stage;
  class Binning;

  explicit Model(Program&& program) noexcept;
  Status prepare_stages(const format::FileView& file, const KernelRow& kernels,
                        const cordwood_tree_range& range);

  Program program_;
  std::vector<TreeOperator> later_;  ///< the trees of every stage but the first
  uint64_t n_stages_ = 0;
  uint64_t work_per_thread_;  ///< row-trees
};

}  // namespace cordwood::runtime
