// tree_ensemble, ready to run: re-lays the packed trees for the engine that suits their shape and the
// kernels of this machine, and answers row blocks with it. Every engine gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "plan/bin_form.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

/// Which engine runs the trees. Forcing one is for tests and measurements: the bits are the same.
enum class EngineChoice : uint8_t { kFastest, kSlice, kWalk };

class TreeOperator {
 public:
  /// Chooses the engine and builds its private tables; `arrays` are consumed.
  static Result<TreeOperator> prepare(format::TreeArrays&& arrays, const KernelRow& kernels,
                                      EngineChoice choice = EngineChoice::kFastest) noexcept;

  /// The same for rows of bins: `arrays` are all or some of the trees that `binning` was planned for,
  /// with all of their columns.
  static Result<TreeOperator> prepare_binned(format::TreeArrays&& arrays,
                                             const plan::BinForm& binning,
                                             const KernelRow& kernels) noexcept;

  TreeOperator(TreeOperator&&) noexcept;
  TreeOperator& operator=(TreeOperator&&) noexcept;
  ~TreeOperator();

  /// Aggregates the leaves of each row. `out` is C-ordered [n_rows, n_outputs] of the accumulate type.
  /// Sums start from `start`, of the same form, or from the base value where that is null; `start`
  /// may be `out`.
  Status margin(const RowsView& rows, const void* start, void* out,
                std::span<std::byte> scratch) const noexcept;

  /// Writes the source's number of the leaf that each row reaches, C-ordered [n_rows, n_trees].
  Status leaves(const RowsView& rows, int32_t* out, std::span<std::byte> scratch) const noexcept;

  /// Scratch that calls with at most `n_rows` rows need; it may be used again for any later call.
  [[nodiscard]] size_t scratch_bytes(uint64_t n_rows) const noexcept;

  /// Rows of one task when a batch is split: large enough that re-reading the trees costs little.
  [[nodiscard]] uint64_t preferred_rows() const noexcept;

  /// Private tables, in bytes.
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

  /// Name of the engine ("slice", "walk") and the shape that led to it.
  [[nodiscard]] std::string_view engine() const noexcept;
  [[nodiscard]] std::string_view engine_reason() const noexcept;

  [[nodiscard]] const cordwood_tree_attributes& attributes() const noexcept;

 private:
  struct State;
  explicit TreeOperator(std::unique_ptr<State> state) noexcept;
  [[nodiscard]] Status check(const RowsView& rows) const noexcept;
  Status pass_over_leaves(const RowsView& rows, const void* start, void* out,
                          std::span<std::byte> scratch) const noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace cordwood::runtime
