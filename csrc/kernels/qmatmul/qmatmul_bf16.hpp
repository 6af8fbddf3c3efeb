// qmatmul_bf16: rows of bfloat16 activations times bfloat16 weights (docs/quantization.md, products with
// bfloat16 activations).
//
// Two neighbouring inputs of an output, or of a row, are a pair, the lower one in the low half of a
// word. An output of a row starts from zero and takes its pairs in ascending order:
//
//     sum = flush(fma(x[2 p + 1], w[2 p + 1], sum))        flush: what is subnormal becomes a zero of
//     sum = flush(fma(x[2 p], w[2 p], sum))                its sign, of operands as of results
//
// which is what vdpbf16ps does, whatever the mode of the floating-point unit. Bias, residual and cut
// follow, with subnormal numbers.
//
//     weights     [panel][pair][output 0..31]
//     rows        [row][pair]
//
// The second half of a last pair without one is zero on both sides.
#pragma once

#include <cstdint>

#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels {

/// Rows of float32 to be rounded half to even, subnormal numbers to zeros of their sign.
struct RoundRows {
  const float* x;  ///< [row][input]
  uint32_t* pairs;
  uint64_t x_stride;
  uint64_t pair_stride;
  uint64_t n_inputs;
  uint64_t n_rows;
};

struct QmatmulBf16 {
  const uint8_t* panels;
  const uint32_t* x;
  uint64_t panel_bytes;
  uint64_t x_stride;  ///< pairs from row to row
  uint64_t n_pairs;
  uint32_t n_rows;
  QmatmulEnd end;
  void* scratch;  ///< qmatmul_bf16_scratch_bytes, aligned to 64
};

/// Static, as whatever kernels call.
static constexpr uint64_t input_pairs(uint64_t n_inputs) noexcept {
  return n_inputs / 2 + n_inputs % 2;
}

/// Room for a panel's sums of so many rows.
constexpr uint64_t qmatmul_bf16_scratch_bytes(uint64_t n_rows) noexcept {
  return n_rows * kPanelOutputs * sizeof(float);
}

using RoundRowsBf16 = void (*)(const RoundRows& task) noexcept;
using QmatmulBf16Kernel = void (*)(const QmatmulBf16& task) noexcept;

namespace scalar {
void round_rows_bf16(const RoundRows& task) noexcept;
void qmatmul_bf16(const QmatmulBf16& task) noexcept;
}  // namespace scalar
namespace avx2 {
void qmatmul_bf16(const QmatmulBf16& task) noexcept;
}
namespace avx512 {
void qmatmul_bf16(const QmatmulBf16& task) noexcept;
}
namespace avx512bf16 {
void round_rows_bf16(const RoundRows& task) noexcept;
void qmatmul_bf16(const QmatmulBf16& task) noexcept;
}  // namespace avx512bf16

}  // namespace cordwood::kernels
