// qmatmul_f32: rows of float32 activations times quantised or half-width weights
// (docs/quantization.md, products with float32 activations).
//
// Weights become float32 first: codes as scale * (code - zero), rounded once; bfloat16 and float16
// exactly. An output of a row is a chain of fma over ascending inputs that starts from zero, then the
// bias, the residual and the cut. Outputs are lanes, so that no order is left to choose.
//
//     codes                 panels as in qmatmul.hpp
//     float32, float16      [panel][input][output 0..31]
//     bfloat16              [panel][pair of inputs][output 0..31][2], a last pair filled with a zero
#pragma once

#include <cstdint>

#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels {

enum class WeightKind : uint32_t { codes, bfloat16, float16, float32 };

/// Weights are turned into float32 in scratch, so many inputs at a time: 16 KiB stay in L1. Even,
/// for pairs.
inline constexpr uint32_t kFloatInputs = 128;

struct QmatmulF32 {
  WeightKind kind;
  QmatmulWeights weights;  ///< `panels` and `panel_bytes` alone where the kind is not codes
  const float* x;          ///< [row][input]
  uint64_t x_stride;
  uint64_t n_inputs;
  uint32_t n_rows;
  QmatmulEnd end;
  void* scratch;  ///< qmatmul_f32_scratch_bytes, aligned to 64
};

/// Room for a panel's sums of so many rows and for expanded inputs.
constexpr uint64_t qmatmul_f32_scratch_bytes(uint64_t n_rows) noexcept {
  return (n_rows + kFloatInputs) * kPanelOutputs * sizeof(float);
}

using QmatmulF32Kernel = void (*)(const QmatmulF32& task) noexcept;

namespace scalar {
void qmatmul_f32(const QmatmulF32& task) noexcept;
}
namespace avx2 {
void qmatmul_f32(const QmatmulF32& task) noexcept;
}
namespace avx512 {
void qmatmul_f32(const QmatmulF32& task) noexcept;
}
namespace neon {
void qmatmul_f32(const QmatmulF32& task) noexcept;
}

}  // namespace cordwood::kernels
