// quantize_rows: rows of float32 activations to signed bytes, each row (or each group of a row) by a
// scale of its own or all by a given one (docs/quantization.md, activations); and floats to bytes by
// one scale, for answers that are codes.
//
//     x      [row][input]                       strided rows
//     codes  [row][padded input]                signed bytes; zeros past the last input
//     scales [row][scale group]                 what a code of 1 stands for
//     zeros  [row][scale group]                 the code that stands for zero, as `codes` has it
//     sums   [row][sum group]                   sum of a group's codes times a factor: what products
//                                               with unsigned weights subtract for their zero point
//
// Codes of uint8 and their zero points are kept less 128, as signed bytes: their difference is the same.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Largest magnitudes below this count as zero: their reciprocal would overflow.
inline constexpr float kTinyScale = 0x1p-100f;

enum class RowForm : uint32_t {
  symmetric,  ///< int8, -127 to 127
  affine,     ///< uint8 with zero points
  coded,      ///< codes are given
};

struct QuantizeRows {
  RowForm form;
  const float* x;        ///< not where coded
  const uint8_t* given;  ///< coded: strided rows of bytes, each xored with `flip`
  int8_t* codes;
  float* scales;         ///< [row][ceil(n_inputs / scale_group)]; written also where given
  int32_t* zeros;        ///< the same; not where symmetric
  int32_t* sums;         ///< [row][ceil(n_inputs / sum_group)], times sum_factor
  uint64_t x_stride;     ///< floats, or given bytes, from row to row
  uint64_t code_stride;  ///< bytes from row to row; at least `padded_inputs`
  uint64_t n_rows;
  uint64_t n_inputs;
  uint64_t padded_inputs;  ///< codes written of each row; a multiple of 64
  uint64_t scale_group;    ///< inputs of a scale: a multiple of 32, or at least n_inputs
  uint64_t sum_group;      ///< inputs of a sum: a multiple of 32 that divides scale_group or that
                           ///< scale_group divides, or at least n_inputs
  float static_scale;      ///< above 0: the scale of every row
  int32_t static_zero;     ///< of that scale, -128 to 127; not where symmetric
  uint8_t flip;            ///< 128 turns given uint8 into signed bytes
  int32_t sum_factor;
};

/// Answers to codes of one scale: rint(y / scale) + zero, saturating to a signed byte, xored with flip.
struct RequantizeRows {
  const float* y;  ///< [row][column]
  uint8_t* codes;  ///< [row][column]
  uint64_t y_stride;
  uint64_t code_stride;
  uint64_t n_rows;
  uint64_t n_columns;
  float scale;
  int32_t zero;  ///< -128 to 127
  uint8_t flip;  ///< 128 for uint8
};

/// Returns the first row that holds NaN or an infinity, n_rows where there is none. What it wrote
/// from that row on is of no use.
using QuantizeRowsF32 = uint64_t (*)(const QuantizeRows& task) noexcept;
using RequantizeRowsF32 = void (*)(const RequantizeRows& task) noexcept;

namespace scalar {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
void requantize_rows_f32(const RequantizeRows& task) noexcept;
}  // namespace scalar
namespace avx2 {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
void requantize_rows_f32(const RequantizeRows& task) noexcept;
}  // namespace avx2
namespace avx512icl {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
void requantize_rows_f32(const RequantizeRows& task) noexcept;
}  // namespace avx512icl
namespace neon {
uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept;
void requantize_rows_f32(const RequantizeRows& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
