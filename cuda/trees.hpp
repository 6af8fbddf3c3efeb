// tree_ensemble on the device: private tables, the engine that suits the trees, and answers for rows
// that lie there. The bits are those of every other processor.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"
#include "cuda/device_rows.hpp"
#include "format/trees.hpp"
#include "plan/bin_form.hpp"
#include "plan/load_rule.hpp"

namespace cordwood::cuda {

/// What the plans of kernels depend on.
struct DeviceLimits {
  uint64_t block_bytes = 0;  ///< shared memory that a block may have
  uint32_t processors = 0;
};

class DeviceTrees {
 public:
  /// Chooses the engine and builds its tables on the current device. Rows are bins of the columns
  /// `binned`, or values where that is null.
  static Result<std::unique_ptr<DeviceTrees>> prepare(const format::TreeArrays& arrays,
                                                      const plan::BinForm* binned,
                                                      const DeviceLimits& limits) noexcept;
  virtual ~DeviceTrees() = default;

  /// Aggregates the leaves of each row to `out`, C order [n_rows, n_outputs] of the accumulate type.
  /// Sums start from `start`, of the same form, or from the base value where that is null; `start` may
  /// be `out`. All pointers are of the device; the work is done in the stream's order.
  virtual Status margin(const DeviceRows& rows, const void* start, void* out, std::byte* scratch,
                        cudaStream_t stream) const noexcept = 0;

  /// Writes the source's number of the leaf that each row reaches, C order [n_rows, n_trees].
  virtual Status leaves(const DeviceRows& rows, int32_t* out, std::byte* scratch,
                        cudaStream_t stream) const noexcept = 0;

  /// Bins rows of values as the file's columns say: column c of row r at `out[c * pitch + r]`, of bytes
  /// where those are enough, else of 16 bits.
  virtual Status bin(const DeviceRows& rows, void* out, uint64_t pitch,
                     cudaStream_t stream) const noexcept = 0;

  /// Scratch of a call with `n_rows` rows.
  [[nodiscard]] virtual uint64_t scratch_bytes(uint64_t n_rows) const noexcept = 0;

  [[nodiscard]] virtual uint64_t resident_bytes() const noexcept = 0;

  [[nodiscard]] const plan::LoadRule& rule() const noexcept { return rule_; }
  [[nodiscard]] const cordwood_tree_attributes& attributes() const noexcept { return attributes_; }
  [[nodiscard]] const char* engine() const noexcept { return engine_; }
  [[nodiscard]] const char* engine_reason() const noexcept { return reason_.data(); }
  [[nodiscard]] bool wide() const noexcept {
    return attributes_.input_type != CORDWOOD_DTYPE_FLOAT32;
  }

 protected:
  explicit DeviceTrees(const cordwood_tree_attributes& attributes) noexcept
      : attributes_(attributes), rule_(plan::LoadRule::of(attributes)) {}

  cordwood_tree_attributes attributes_;
  plan::LoadRule rule_;
  const char* engine_ = "walk";
  plan::Reason reason_{};
};

}  // namespace cordwood::cuda
