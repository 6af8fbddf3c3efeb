// quantize_rows: rows of float32 activations to signed bytes, each row (or each group of a row) by a
// scale of its own or all by a given one (docs/quantization.md, activations).
//
//     x      [row][input]                       strided rows
//     codes  [row][padded input]                -127 to 127; zeros past the last input
//     scales [row][scale group]                 what a code of 1 stands for
//     sums   [row][sum group]                   sum of a group's codes times a factor: what products
//                                               with unsigned weights subtract for their zero point
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Largest magnitudes below this count as zero: their reciprocal would overflow.
inline constexpr float kTinyScale = 0x1p-100f;

struct QuantizeRows {
  const float* x;
  int8_t* codes;
  float* scales;         ///< [row][ceil(n_inputs / scale_group)]; written also where given
  int32_t* sums;         ///< [row][ceil(n_inputs / sum_group)], times sum_factor
  uint64_t x_stride;     ///< floats from row to row
  uint64_t code_stride;  ///< bytes from row to row; at least `padded_inputs`
  uint64_t n_rows;
  uint64_t n_inputs;
  uint64_t padded_inputs;  ///< codes written of each row; a multiple of 64
  uint64_t scale_group;    ///< inputs of a scale: a multiple of 32, or at least n_inputs
  uint64_t sum_group;      ///< inputs of a sum: a multiple of 32 that divides scale_group or that
                           ///< scale_group divides, or at least n_inputs
  float static_scale;      ///< above 0: the scale of every row
  int32_t sum_factor;
};

/// Returns the first row that holds NaN or an infinity, n_rows where there is none. What it wrote
/// from that row on is of no use.
using QuantizeRowsF32 = uint64_t (*)(const QuantizeRows& task) noexcept;

namespace scalar {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
}
namespace avx2 {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
}
namespace avx512icl {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
}
namespace neon {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
}

}  // namespace cordwood::kernels
