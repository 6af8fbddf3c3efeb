// A packed program made ready: its steps, and for each answer a caller may want the chain of steps
// that leads to it. Running a chain allocates nothing; the caller brings the scratch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"
#include "runtime/tree_operator.hpp"

namespace cordwood::runtime {

/// An operator with its attributes; every operator of today reads one value and writes one.
struct Step {
  uint16_t opcode = 0;
  uint32_t input = 0;   ///< value id
  uint32_t output = 0;  ///< value id
  uint32_t tree = 0;    ///< tree_ensemble: its place among the tree operators
  cordwood_link_attributes link{};
  cordwood_decide_attributes decide{};
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

class Program {
 public:
  /// Prepares every operator of a validated file for `kernels`.
  static Result<Program> build(const format::FileView& file, const KernelRow& kernels) noexcept;

  /// Answers `rows` in one go. `out` is C-ordered, `target_info` wide.
  Status run(const Target& target, const RowsView& rows, void* out,
             std::span<std::byte> scratch) const noexcept;

  /// Scratch that `run` needs for at most `n_rows` rows of any target.
  [[nodiscard]] std::size_t scratch_bytes(uint64_t n_rows) const noexcept;

  /// Type and width of a target's answer.
  [[nodiscard]] ValueInfo target_info(const Target& target) const noexcept;

  [[nodiscard]] std::span<const ValueInfo> values() const noexcept { return values_; }
  [[nodiscard]] std::span<const TreeOperator> trees() const noexcept { return trees_; }
  [[nodiscard]] uint32_t margin_value() const noexcept { return margin_value_; }
  [[nodiscard]] uint32_t n_features() const noexcept { return n_features_; }
  [[nodiscard]] uint64_t n_trees() const noexcept { return n_trees_; }
  [[nodiscard]] uint64_t preferred_rows() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  Status read_values(const format::FileView& file);
  Status add_step(const format::FileView& file, uint32_t index, const KernelRow& kernels);
  Status add_trees(const format::FileView& file, uint32_t index, Step& step,
                   const KernelRow& kernels);
  Status run_step(const Step& step, const RowsView& rows, const void* input, void* out,
                  std::span<std::byte> tree_scratch) const noexcept;
  void run_link(const Step& step, const void* margin, uint64_t n_rows, void* out) const noexcept;
  [[nodiscard]] std::size_t tree_scratch_bytes(uint64_t n_rows) const noexcept;

  static constexpr uint32_t kNoStep = 0xFFFFFFFFu;
  static constexpr std::size_t kMaxSteps = 64;

  const KernelRow* kernels_ = nullptr;
  std::vector<ValueInfo> values_;
  std::vector<uint32_t> maker_;  ///< [values] step that writes the value; kNoStep for the rows
  std::vector<Step> steps_;
  std::vector<TreeOperator> trees_;
  uint64_t widest_row_bytes_ = 0;  ///< of all values but the rows
  uint32_t rows_value_ = 0;
  uint32_t margin_value_ = 0;
  uint32_t n_features_ = 0;
  uint64_t n_trees_ = 0;
};

}  // namespace cordwood::runtime
