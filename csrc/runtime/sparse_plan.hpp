// A matrix of int8 weights, most of them zero, laid out for kernels/sparse_matmul.
#pragma once

#include <cstdint>
#include <span>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::runtime {

/// Signed weights with a scale for each output; those of zero are left out.
struct SparseCodes {
  std::span<const int8_t> codes;  ///< [output][input]
  std::span<const float> scales;  ///< [output]
  uint64_t n_outputs;
  uint64_t n_inputs;
};

class SparsePlan {
 public:
  /// Fails where sizes do not fit one another, weights do not fit the kind, or memory could not be had.
  static Result<SparsePlan> build(kernels::SparseKind kind, const SparseCodes& source) noexcept;

  /// Weights from this panel on.
  [[nodiscard]] kernels::SparseWeights weights_from(uint64_t panel) const noexcept;

  [[nodiscard]] kernels::SparseKind kind() const noexcept { return kind_; }
  [[nodiscard]] uint64_t n_outputs() const noexcept { return n_outputs_; }
  [[nodiscard]] uint64_t n_inputs() const noexcept { return n_inputs_; }
  [[nodiscard]] uint64_t n_panels() const noexcept { return n_panels_; }
  /// Bytes of weights and of what says where they stand.
  [[nodiscard]] uint64_t n_bytes() const noexcept;

 private:
  Status lay_pairs(const SparseCodes& source) noexcept;
  void lay_blocks(const SparseCodes& source);
  void lay_slots(const SparseCodes& source);

  kernels::SparseKind kind_ = kernels::SparseKind::pairs;
  AlignedVector<uint8_t> codes_;
  AlignedVector<uint16_t> inputs_;
  AlignedVector<uint8_t> counts_;
  AlignedVector<uint64_t> starts_;
  AlignedVector<float> scales_;
  AlignedVector<int32_t> offsets_;
  uint64_t n_outputs_ = 0;
  uint64_t n_inputs_ = 0;
  uint64_t n_panels_ = 0;
  uint64_t n_parts_ = 0;
};

}  // namespace cordwood::runtime
