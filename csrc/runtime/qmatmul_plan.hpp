// A matrix of weights, laid out in panels for kernels/qmatmul.
#pragma once

#include <cstdint>
#include <span>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "kernels/qmatmul/qmatmul_f32.hpp"

namespace cordwood::runtime {

/// Codes as docs/quantization.md packs them, with float32 scales.
struct PackedCodes {
  std::span<const uint8_t> payload;  ///< [output][bytes of an output]
  std::span<const float> scales;     ///< [output][group]
  std::span<const uint8_t> zeros;    ///< [output][group]; empty where all are 2^(bits - 1)
  uint32_t bits;
  uint64_t group_size;  ///< inputs; 0 where an output is one group
  uint64_t n_outputs;
  uint64_t n_inputs;
};

class QmatmulPlan {
 public:
  /// Fails where sizes do not fit one another or memory could not be had.
  static Result<QmatmulPlan> build(const PackedCodes& codes) noexcept;

  /// The same for numbers of 16 or 32 bits, [output][input].
  static Result<QmatmulPlan> build(kernels::WeightKind kind, std::span<const std::byte> numbers,
                                   uint64_t n_outputs, uint64_t n_inputs) noexcept;

  /// Weights from this panel on.
  [[nodiscard]] kernels::QmatmulWeights weights_from(uint64_t panel) const noexcept;

  [[nodiscard]] kernels::WeightKind kind() const noexcept { return kind_; }
  [[nodiscard]] uint64_t n_outputs() const noexcept { return n_outputs_; }
  [[nodiscard]] uint64_t n_inputs() const noexcept { return n_inputs_; }
  [[nodiscard]] uint64_t n_panels() const noexcept { return n_panels_; }
  [[nodiscard]] uint32_t n_groups() const noexcept { return n_groups_; }
  [[nodiscard]] uint32_t group_steps() const noexcept { return group_steps_; }
  /// Inputs of a group; the last of an output may have fewer.
  [[nodiscard]] uint64_t group_inputs() const noexcept {
    return uint64_t{group_steps_} * kernels::kStepInputs;
  }
  /// What quantize_rows multiplies sums by.
  [[nodiscard]] int32_t sum_factor() const noexcept {
    return zeros_.empty() ? -(1 << (bits_ - 1)) : -1;
  }
  /// Bytes of weights, scales, zero points and sums.
  [[nodiscard]] uint64_t n_bytes() const noexcept {
    return panels_.size() + scales_.size() * sizeof(float) + zeros_.size() +
           columns_.size() * sizeof(int32_t);
  }

 private:
  void lay_panel(const PackedCodes& codes, uint64_t panel) noexcept;

  kernels::WeightKind kind_ = kernels::WeightKind::codes;
  AlignedVector<uint8_t> panels_;
  AlignedVector<float> scales_;
  AlignedVector<uint8_t> zeros_;
  AlignedVector<int32_t> columns_;
  uint64_t n_outputs_ = 0;
  uint64_t n_inputs_ = 0;
  uint64_t n_panels_ = 0;
  uint64_t panel_bytes_ = 0;
  uint32_t n_groups_ = 0;
  uint32_t group_steps_ = 0;
  uint32_t last_steps_ = 0;
  uint32_t bits_ = 0;
};

}  // namespace cordwood::runtime
