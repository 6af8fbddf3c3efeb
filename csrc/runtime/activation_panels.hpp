// Arrays of activations as the right side of a product: float32 panels in scratch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {

static_assert(kernels::kPackColumns == kernels::kPanelOutputs);

/// Cuts arrays off a block of scratch, each on a cache line of its own.
class ScratchCutter {
 public:
  explicit ScratchCutter(std::span<std::byte> bytes) noexcept : first_(bytes.data()) {}

  template <class T>
  T* take(uint64_t count) noexcept {
    T* block = first_ == nullptr ? nullptr : reinterpret_cast<T*>(first_ + taken_);
    taken_ += whole_lines(count * sizeof(T));
    return block;
  }

  /// Bytes that were cut off; those of no block tell how large one has to be.
  [[nodiscard]] uint64_t taken() const noexcept { return taken_; }

 private:
  std::byte* first_;
  uint64_t taken_ = 0;
};

/// Panels of a matrix, or of some of its rows.
struct ActivationPanels {
  const float* numbers;
  uint64_t n_inputs;      ///< of a product; at most what a panel holds
  uint64_t panel_floats;  ///< from panel to panel
};

/// Lays [output][input], a panel's outputs side by side in it.
inline void pack_outputs(const ArrayKernels& kernels, const float* from, uint64_t stride,
                         uint64_t n_outputs, uint64_t n_inputs, float* panels) noexcept {
  for (uint64_t first = 0; first < n_outputs; first += kernels::kPackColumns) {
    const uint64_t count = std::min(kernels::kPackColumns, n_outputs - first);
    const uint64_t floats = kernels::kPackColumns * n_inputs;
    if (count < kernels::kPackColumns) std::memset(panels, 0, floats * sizeof(float));
    kernels.transpose_f32({.from = from + first * stride,
                           .from_stride = stride,
                           .n_rows = count,
                           .n_columns = n_inputs,
                           .to = panels,
                           .to_stride = kernels::kPackColumns});
    panels += floats;
  }
}

/// Rows of activations and where their products go.
struct RowsAndOut {
  const float* x;
  uint64_t x_stride;
  uint64_t n_rows;
  float* out;
  uint64_t out_stride;
  uint64_t n_outputs;
  void* scratch;  ///< qmatmul_f32_scratch_bytes of n_rows
};

inline void multiply_panels(const ArrayKernels& kernels, const ActivationPanels& panels,
                            const RowsAndOut& rows) noexcept {
  const kernels::QmatmulWeights weights{.panels = reinterpret_cast<const uint8_t*>(panels.numbers),
                                        .scales = nullptr,
                                        .zeros = nullptr,
                                        .columns = nullptr,
                                        .panel_bytes = panels.panel_floats * sizeof(float),
                                        .n_groups = 0,
                                        .group_steps = 0,
                                        .last_steps = 0,
                                        .bits = 0};
  const kernels::QmatmulEnd end{.out = rows.out,
                                .bias = nullptr,
                                .residual = nullptr,
                                .out_stride = rows.out_stride,
                                .residual_stride = 0,
                                .n_outputs = rows.n_outputs,
                                .low = 0.0f,
                                .high = 0.0f,
                                .cut = 0};
  kernels.qmatmul_f32({.kind = kernels::WeightKind::float32,
                       .weights = weights,
                       .x = rows.x,
                       .x_stride = rows.x_stride,
                       .n_inputs = panels.n_inputs,
                       .n_rows = static_cast<uint32_t>(rows.n_rows),
                       .end = end,
                       .scratch = rows.scratch});
}

}  // namespace cordwood::runtime
