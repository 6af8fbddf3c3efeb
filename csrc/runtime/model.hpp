// A packed model ready to run: immutable, shared between threads, independent of the file's bytes.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "format/view.hpp"
#include "runtime/context.hpp"
#include "runtime/program.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

class Model {
 public:
  /// Validates the bytes and prepares every operator. The bytes may go once this returns.
  static Result<std::shared_ptr<const Model>> load(std::span<const std::byte> bytes,
                                                   format::CheckLevel level) noexcept;

  /// The same for a file that is validated already.
  static Result<std::shared_ptr<const Model>> prepare(const format::FileView& file) noexcept;

  /// Writes the answer for `rows`, C-ordered, to `out`; only the operators that lead to the target
  /// run. Splits rows over up to `threads` threads where that pays; the split changes no bit.
  Status run(Context& context, const RowsView& rows, const Target& target, void* out,
             unsigned threads) const noexcept;

  /// The value that plays a role, where the model has one.
  [[nodiscard]] std::optional<Target> by_role(cordwood_role role) const noexcept;
  /// What the trees sum up to, whatever its role.
  [[nodiscard]] Target margin() const noexcept { return {program_.margin_value(), false}; }
  /// The leaves that rows reach; none where there is more than one tree operator.
  [[nodiscard]] std::optional<Target> leaves() const noexcept;

  [[nodiscard]] const Program& program() const noexcept { return program_; }

 private:
  explicit Model(Program&& program) noexcept;

  Status run_alone(Context& context, const RowsView& rows, const Target& target,
                   void* out) const noexcept;
  Status run_split(Context& context, const RowsView& rows, const Target& target, void* out,
                   unsigned threads) const noexcept;

  Program program_;
  uint64_t work_per_thread_;  ///< row-trees
};

}  // namespace cordwood::runtime
