// Where a convolution's answers go, and where its residual comes from: as they are, or by way of a few
// rows in scratch where images are channels first, or codes of what an activation makes.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/conv_run.hpp"

namespace cordwood::runtime {

/// Rows of an image, planes after one another.
struct RowRange {
  uint64_t first;
  uint64_t count;
};

/// Whether residual and answer fit one another.
Status check_ending(const ConvCall& call) noexcept;

class ConvEnding {
 public:
  ConvEnding(const ConvCall& call, const Space& output, uint64_t outputs,
             const ArrayKernels& kernels) noexcept;

  /// Rows that a block may have.
  [[nodiscard]] uint64_t block_rows() const noexcept { return block_rows_; }
  [[nodiscard]] uint64_t room_bytes() const noexcept { return room_bytes_; }

  /// The ending of a block of rows of one plane, before the number of outputs.
  [[nodiscard]] kernels::ConvEnd begin(uint64_t image, RowRange rows,
                                       std::byte* room) const noexcept;
  /// Activates the block's answers and takes them where they belong.
  void finish(uint64_t image, RowRange rows, std::byte* room) const noexcept;

 private:
  [[nodiscard]] uint64_t place(const Images& images, uint64_t image, RowRange rows) const noexcept;

  const ConvCall& call_;
  const ArrayKernels& kernels_;
  Space output_;
  uint64_t outputs_;
  uint64_t block_rows_ = UINT64_MAX;
  uint64_t block_bytes_ = 0;
  uint64_t room_bytes_ = 0;
  bool out_in_room_ = false;
  bool residual_in_room_ = false;
  kernels::ConvEnd end_{};
};

/// Makes one row of all where windows and answers go on evenly from row to row.
void join_rows(kernels::ConvWindows& windows, kernels::ConvEnd& end) noexcept;

/// Moves an ending past its outputs.
void skip_outputs(kernels::ConvEnd& end) noexcept;

}  // namespace cordwood::runtime
