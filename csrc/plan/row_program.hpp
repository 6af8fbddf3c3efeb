// What a packed program of rows does, before any device prepares it: its steps, and for each answer a
// caller may want the route of steps that leads to it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"
#include "runtime/backend.h"

namespace cordwood::plan {

inline constexpr uint32_t kNoValue = 0xFFFFFFFFu;

/// An operator with its attributes.
struct Step {
  uint16_t opcode = 0;
  uint32_t record = 0;        ///< its number among the file's operators
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
struct Route {
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

class RowProgram {
 public:
  /// Reads a validated file. Refuses what no device runs, and for rows of bins a file that has not just
  /// one tree operator.
  static Result<RowProgram> read(const format::FileView& file, RowForm form) noexcept;

  [[nodiscard]] std::span<const ValueInfo> values() const noexcept { return values_; }
  [[nodiscard]] std::span<const Step> steps() const noexcept { return steps_; }
  /// From the rows to a value.
  [[nodiscard]] const Route& route_to(uint32_t value) const noexcept { return routes_[value]; }
  /// From the last trees' sums to a value.
  [[nodiscard]] const Route& route_from_margin(uint32_t value) const noexcept {
    return finishes_[value];
  }
  /// Bytes of a row in each of the buffers that all routes share.
  [[nodiscard]] std::span<const uint64_t> buffer_row_bytes() const noexcept {
    return buffer_row_bytes_;
  }

  /// What the trees sum up to, whatever its role.
  [[nodiscard]] uint32_t margin_value() const noexcept { return margin_value_; }
  [[nodiscard]] uint32_t n_features() const noexcept { return n_features_; }

  /// The value that plays a role, where the program has one.
  [[nodiscard]] std::optional<Target> by_role(uint8_t role) const noexcept;

  /// What answers each `enum cordwood_target` of a device's table, where the program has it.
  [[nodiscard]] std::array<std::optional<Target>, CORDWOOD_TARGET_COUNT> answers() const noexcept;

  /// Whether `target` is made of the last tree operator's sums alone.
  [[nodiscard]] bool follows_margin(const Target& target) const noexcept {
    return !target.leaves && !finishes_[target.value].reads_rows;
  }

 private:
  static constexpr std::size_t kMaxSteps = 64;

  Status read_values(const format::FileView& file);
  Status add_step(const format::FileView& file, uint32_t index);
  Status add_trees(const format::FileView& file, Step& step);
  Status add_decide(const format::FileView& file, Step& step);
  [[nodiscard]] Status check_form(RowForm form) const noexcept;
  void find_routes();
  [[nodiscard]] Route find_route(uint32_t wanted, uint32_t given);
  [[nodiscard]] std::vector<bool> steps_to(uint32_t wanted, uint32_t given) const;

  std::vector<ValueInfo> values_;
  std::vector<Step> steps_;
  std::vector<Route> routes_;    ///< [values] from the rows to the value
  std::vector<Route> finishes_;  ///< [values] from the last trees' sums to the value
  std::vector<uint64_t> buffer_row_bytes_;
  uint32_t rows_value_ = 0;
  uint32_t margin_value_ = 0;
  uint32_t n_features_ = 0;
  uint32_t n_tree_operators_ = 0;
};

}  // namespace cordwood::plan
