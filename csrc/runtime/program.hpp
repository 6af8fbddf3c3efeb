// A packed program made ready: its steps, and for each answer a caller may want the plan of steps that
// leads to it. Running a plan allocates nothing; the caller brings the scratch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"
#include "runtime/tree_binning.hpp"
#include "runtime/tree_operator.hpp"
#include "runtime/tree_range.hpp"

namespace cordwood::runtime {

inline constexpr uint32_t kNoValue = 0xFFFFFFFFu;

/// An operator with its attributes.
struct Step {
  uint16_t opcode = 0;
  uint32_t input = 0;         ///< value id
  uint32_t start = kNoValue;  ///< tree_ensemble: value that its sums start from, or kNoValue
  uint32_t output = 0;        ///< value id
  uint32_t tree = 0;          ///< tree_ensemble: its place among the tree operators
  cordwood_link_attributes link{};
  cordwood_decide_attributes decide{};
  std::vector<uint32_t> groups;  ///< decide: columns of each group; empty without groups
};

/// Steps that lead to one value, in order. Each input and output lies in a numbered buffer, in what the
/// caller gave, or in the answer.
struct Plan {
  static constexpr uint32_t kNowhere = 0xFFFFFFFFu;
  static constexpr uint32_t kGiven = 0xFFFFFFFEu;
  static constexpr uint32_t kAnswer = 0xFFFFFFFDu;

  struct Entry {
    uint32_t step = 0;
    uint32_t input = kNowhere;  ///< kNowhere: the rows
    uint32_t start = kNowhere;
    uint32_t output = kAnswer;
  };
  std::vector<Entry> entries;
  bool reads_rows = false;
};

/// A value as the program sees it.
struct ValueInfo {
  uint8_t dtype = 0;
  uint8_t role = 0;
  uint8_t rank = 0;
  uint64_t columns = 1;  ///< 1 for a value of rank 1
  uint64_t classes = 0;  ///< class indices are below this; 0 where it holds none

  [[nodiscard]] uint64_t row_bytes() const noexcept {
    return columns * format::dtype_bits(dtype) / 8;
  }
};

/// What a caller may ask a program for: one of its values, or the leaves that rows reach.
struct Target {
  uint32_t value = 0;
  bool leaves = false;
};

/// What rows are to a program: values of features, or bins that its trees' columns were binned into.
enum class RowForm : uint8_t { kValues, kBins };

class Program {
 public:
  /// Prepares every operator of a validated file for `kernels`; of the last tree operator just the
  /// trees of `range`, unless that is null. For rows of bins there must be just one tree operator.
  static Result<Program> build(const format::FileView& file, const KernelRow& kernels,
                               const TreeRange* range = nullptr,
                               RowForm form = RowForm::kValues) noexcept;

  /// Answers `rows` in one go. `out` is C-ordered, `target_info` wide.
  Status run(const Target& target, const RowsView& rows, void* out,
             std::span<std::byte> scratch) const noexcept;

  /// Whether `target` is made of the last tree operator's sums alone, so that `finish` can answer it.
  [[nodiscard]] bool follows_margin(const Target& target) const noexcept;

  /// Runs what lies between those sums, in C order, and the target: links and decides.
  Status finish(const Target& target, const void* margin, uint64_t n_rows, void* out,
                std::span<std::byte> scratch) const noexcept;

  /// Scratch that `run` needs for at most `n_rows` rows of any target.
  [[nodiscard]] std::size_t scratch_bytes(uint64_t n_rows) const noexcept;

  /// Type and width of a target's answer.
  [[nodiscard]] ValueInfo target_info(const Target& target) const noexcept;

  [[nodiscard]] std::span<const ValueInfo> values() const noexcept { return values_; }
  [[nodiscard]] std::span<const TreeOperator> trees() const noexcept { return trees_; }
  [[nodiscard]] uint32_t margin_value() const noexcept { return margin_value_; }
  /// Columns that rows have: features, or columns of bins.
  [[nodiscard]] uint32_t n_features() const noexcept { return n_features_; }
  /// How rows are binned; empty where they are values.
  [[nodiscard]] const std::optional<TreeBinning>& binning() const noexcept { return binning_; }
  [[nodiscard]] uint64_t n_trees() const noexcept { return n_trees_; }
  [[nodiscard]] uint64_t preferred_rows() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  Status read_values(const format::FileView& file);
  Status add_step(const format::FileView& file, uint32_t index, const KernelRow& kernels,
                  const TreeRange* range);
  Status add_trees(const format::FileView& file, uint32_t index, Step& step,
                   const KernelRow& kernels, const TreeRange* range);
  Status plan_binning(const format::FileView& file, const format::TreeArrays& arrays,
                      const KernelRow& kernels);
  Status add_decide(const format::FileView& file, const cordwood_operator& record, Step& step);
  void make_plans();
  [[nodiscard]] Plan plan_for(uint32_t wanted, uint32_t given);
  [[nodiscard]] std::vector<bool> steps_to(uint32_t wanted, uint32_t given) const;
  Status run_plan(const Plan& plan, const RowsView& rows, const void* given, void* out,
                  std::span<std::byte> scratch) const noexcept;
  [[nodiscard]] std::byte* buffer(uint32_t number, uint64_t n_rows,
                                  std::span<std::byte> scratch) const noexcept;
  Status run_step(const Step& step, const RowsView& rows, const void* input, const void* start,
                  void* out, std::span<std::byte> tree_scratch) const noexcept;
  void run_link(const Step& step, const void* margin, uint64_t n_rows, void* out) const noexcept;
  [[nodiscard]] std::size_t tree_scratch_bytes(uint64_t n_rows) const noexcept;

  static constexpr std::size_t kMaxSteps = 64;

  const KernelRow* kernels_ = nullptr;
  RowForm form_ = RowForm::kValues;
  std::optional<TreeBinning> binning_;
  std::vector<ValueInfo> values_;
  std::vector<Step> steps_;
  std::vector<TreeOperator> trees_;
  std::vector<Plan> plans_;                 ///< [values] from the rows to the value
  std::vector<Plan> finishes_;              ///< [values] from the last trees' sums to the value
  std::vector<uint64_t> buffer_row_bytes_;  ///< of the buffers that all plans share
  uint32_t rows_value_ = 0;
  uint32_t margin_value_ = 0;
  uint32_t n_features_ = 0;
  uint64_t n_trees_ = 0;
};

}  // namespace cordwood::runtime
