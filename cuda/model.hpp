// A packed model on a device: immutable, shared between threads, independent of the file's bytes.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cuda/context.hpp"
#include "cuda/device_rows.hpp"
#include "cuda/tables.hpp"
#include "cuda/trees.hpp"
#include "format/view.hpp"
#include "plan/bin_form.hpp"
#include "plan/row_program.hpp"
#include "plan/tree_range.hpp"
#include "runtime/backend.h"

namespace cordwood::cuda {

class Model {
 public:
  /// Loads on a device, which `cudaSetDevice` counts.
  static Result<std::unique_ptr<const Model>> load(const format::FileView& file,
                                                   const cordwood_tree_range* range,
                                                   plan::RowForm form, int device) noexcept;

  /// Writes the answer for rows of the host to `out`, C-ordered, in the host's memory.
  Status run(Context& context, const cordwood_rows& rows, const plan::Target& target,
             void* out) const noexcept;

  /// The same for rows and an answer of the device, in the order of a stream. Returns before the answer is
  /// there, unless the source refuses values: then it waits, to name one.
  Status run_there(Context& context, const cordwood_rows& rows, const plan::Target& target,
                   void* out, cudaStream_t stream) const noexcept;

  /// Adds the trees of one stage to `margin` and writes what `target` makes of it to `out`; both lie in
  /// the host's memory.
  Status run_stage(Context& context, const cordwood_rows& rows, uint64_t stage,
                   const plan::Target& target, void* margin, void* out) const noexcept;

  /// Bins rows of the host, as the table's `bin` says.
  Status bin(Context& context, const cordwood_rows& rows, void* out, uint64_t step) const noexcept;

  [[nodiscard]] const plan::RowProgram& steps() const noexcept { return steps_; }
  [[nodiscard]] const std::optional<plan::BinForm>& binning() const noexcept { return binning_; }
  [[nodiscard]] const DeviceTrees& trees() const noexcept { return *trees_.back(); }
  [[nodiscard]] plan::ValueInfo target_info(const plan::Target& target) const noexcept;
  [[nodiscard]] uint64_t n_stages() const noexcept { return n_stages_; }
  [[nodiscard]] uint64_t n_trees() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;
  /// Columns that rows have: features, or columns of bins.
  [[nodiscard]] uint64_t n_features() const noexcept;
  [[nodiscard]] int device() const noexcept { return device_; }
  [[nodiscard]] const char* processor() const noexcept { return processor_.c_str(); }

 private:
  /// One part of a batch: what its steps are given, on the device.
  struct Pass {
    DeviceRows rows{};
    const void* given = nullptr;  ///< sums of trees before, where a route starts from those
    uint64_t* refused = nullptr;  ///< the first value that a source refuses
    std::byte* work = nullptr;    ///< scratch
    cudaStream_t stream = nullptr;
    bool judged = false;  ///< whether such a value is looked for
  };

  /// What a call reads of its rows: those trees judge them. Leaves stand for all of the last ensemble.
  struct Judged {
    plan::Target target{};
    bool nothing = false;  ///< bins were judged when they were made
  };

  /// How a batch of the host is parted.
  struct Shares {
    uint64_t pass_rows;     ///< at most
    uint64_t answer_bytes;  ///< of a row
  };

  /// One part of the host's batch.
  struct Leg {
    Pass pass{};
    uint64_t first = 0;          ///< row of the batch
    std::byte* there = nullptr;  ///< room for answers on the device, a line after `pass.refused`
  };

  Model(plan::RowProgram&& steps, int device) : steps_(std::move(steps)), device_(device) {}
  Status prepare(const format::FileView& file, const cordwood_tree_range* range,
                 plan::RowForm form);
  Status prepare_stages(const format::TreeArrays& all, const cordwood_tree_range& range);
  Status add_groups();
  Status read_device();

  [[nodiscard]] plan::RowForm form() const noexcept {
    return binning_ ? plan::RowForm::kBins : plan::RowForm::kValues;
  }
  Status check(const cordwood_rows& rows, plan::RowForm form) const noexcept;
  template <class Work>
  Status for_legs(Desk& desk, const cordwood_rows& rows, const Judged& judged, const Shares& shares,
                  Work&& work) const noexcept;
  /// Brings the answers of a leg to the host, unless a value was refused. They lie one after another.
  static Status finish(Desk& desk, const Leg& leg, std::span<const Delivery> answers,
                       uint64_t first_row) noexcept;

  /// Starts the search for values that a source refuses.
  Status judge(const Judged& judged, Pass& pass) const noexcept;
  /// Whether a call runs the ensemble of this number.
  [[nodiscard]] bool reads(const Judged& judged, uint32_t tree) const noexcept;
  Status answer(const plan::Target& target, const Pass& pass, void* out) const noexcept;
  Status run_route(const plan::Route& route, const Pass& pass, void* out) const noexcept;
  Status run_step(uint32_t number, const Pass& pass, const void* input, const void* start,
                  void* out) const noexcept;

  [[nodiscard]] uint64_t tree_scratch_bytes(uint64_t n_rows) const noexcept;
  [[nodiscard]] uint64_t work_bytes(uint64_t n_rows) const noexcept;
  /// Rows of a pass over a batch of so many; `row_bytes` of a row lie on the device besides scratch.
  [[nodiscard]] uint64_t pass_rows(uint64_t n_rows, uint64_t row_bytes) const noexcept;
  [[nodiscard]] Shares shares_of(const cordwood_rows& rows, uint64_t answer_bytes) const noexcept;

  plan::RowProgram steps_;
  int device_;
  DeviceLimits limits_;
  std::string processor_;
  std::vector<std::unique_ptr<DeviceTrees>> trees_;
  std::vector<std::unique_ptr<DeviceTrees>> later_;  ///< the trees of every stage but the first
  std::optional<plan::BinForm> binning_;
  TableBlock groups_;
  std::vector<std::size_t> group_place_;  ///< by step
  uint64_t n_stages_ = 0;
};

}  // namespace cordwood::cuda
