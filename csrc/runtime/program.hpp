// A packed program made ready for this machine's kernels. Running it allocates nothing; the caller brings
// the scratch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"
#include "plan/row_program.hpp"
#include "plan/tree_range.hpp"
#include "runtime/tree_binning.hpp"
#include "runtime/tree_operator.hpp"

namespace cordwood::runtime {

class Program {
 public:
  /// Prepares every operator of a validated file for `kernels`; of the last tree operator just the
  /// trees of `range`, unless that is null. For rows of bins there must be just one tree operator.
  static Result<Program> build(const format::FileView& file, const KernelRow& kernels,
                               const plan::TreeRange* range = nullptr,
                               plan::RowForm form = plan::RowForm::kValues) noexcept;

  /// Answers `rows` in one go. `out` is C-ordered, `target_info` wide.
  Status run(const plan::Target& target, const RowsView& rows, void* out,
             std::span<std::byte> scratch) const noexcept;

  /// Runs what lies between those sums, in C order, and the target: links and decides.
  Status finish(const plan::Target& target, const void* margin, uint64_t n_rows, void* out,
                std::span<std::byte> scratch) const noexcept;

  /// Scratch that `run` needs for at most `n_rows` rows of any target.
  [[nodiscard]] std::size_t scratch_bytes(uint64_t n_rows) const noexcept;

  /// Type and width of a target's answer.
  [[nodiscard]] plan::ValueInfo target_info(const plan::Target& target) const noexcept;

  [[nodiscard]] const plan::RowProgram& steps() const noexcept { return steps_; }
  [[nodiscard]] std::span<const TreeOperator> trees() const noexcept { return trees_; }
  /// Columns that rows have: features, or columns of bins.
  [[nodiscard]] uint32_t n_features() const noexcept { return n_features_; }
  /// How rows are binned; empty where they are values.
  [[nodiscard]] const std::optional<TreeBinning>& binning() const noexcept { return binning_; }
  [[nodiscard]] uint64_t n_trees() const noexcept { return n_trees_; }
  [[nodiscard]] uint64_t preferred_rows() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  explicit Program(plan::RowProgram&& steps) noexcept : steps_(std::move(steps)) {}
  Status add_trees(const format::FileView& file, const plan::Step& step,
                   const plan::TreeRange* range);
  Status run_route(const plan::Route& route, const RowsView& rows, const void* given, void* out,
                   std::span<std::byte> scratch) const noexcept;
  [[nodiscard]] std::byte* buffer(uint32_t number, uint64_t n_rows,
                                  std::span<std::byte> scratch) const noexcept;
  Status run_step(const plan::Step& step, const RowsView& rows, const void* input,
                  const void* start, void* out, std::span<std::byte> tree_scratch) const noexcept;
  void run_link(const plan::Step& step, const void* margin, uint64_t n_rows,
                void* out) const noexcept;
  [[nodiscard]] std::size_t tree_scratch_bytes(uint64_t n_rows) const noexcept;

  plan::RowProgram steps_;
  const KernelRow* kernels_ = nullptr;
  plan::RowForm form_ = plan::RowForm::kValues;
  std::optional<TreeBinning> binning_;
  std::vector<TreeOperator> trees_;
  uint32_t n_features_ = 0;
  uint64_t n_trees_ = 0;
};

}  // namespace cordwood::runtime
