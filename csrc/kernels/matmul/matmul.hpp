// matmul: what stands around a product of two arrays of activations.
//
// The product itself is qmatmul_f32 on float32 panels: a chain of fma over ascending inputs for each
// output. These kernels lay the right array into panels, turn arrays round, and end rows.
//
//     panels   [panel][input][output 0..31], the last panel filled up with zeros
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Outputs of a panel, as qmatmul_f32 reads them.
inline constexpr uint64_t kPackColumns = 32;

/// Floats of packed panels.
constexpr uint64_t packed_floats(uint64_t n_inputs, uint64_t n_outputs) noexcept {
  return (n_outputs + kPackColumns - 1) / kPackColumns * kPackColumns * n_inputs;
}

/// to[column][row] = from[row][column]; strides count floats.
struct Transpose {
  const float* from;
  uint64_t from_stride;
  uint64_t n_rows;
  uint64_t n_columns;
  float* to;
  uint64_t to_stride;
};

/// A matrix [input][output] to panels.
struct PackRows {
  const float* from;
  uint64_t stride;
  uint64_t n_inputs;
  uint64_t n_outputs;
  float* panels;
};

/// Finished sums: divided by their row's divisor where there are divisors, a zero then being +0; a
/// NaN becomes the quiet one with a clear sign and no payload.
struct EndRows {
  float* out;
  uint64_t stride;
  uint64_t n_rows;
  uint64_t n_columns;
  const float* divisors;  ///< [row], or null
};

using TransposeF32 = void (*)(const Transpose& task) noexcept;
/// Returns whether all numbers are finite.
using PackRowsF32 = bool (*)(const PackRows& task) noexcept;
using EndRowsF32 = void (*)(const EndRows& task) noexcept;

namespace scalar {
void transpose_f32(const Transpose& task) noexcept;
bool pack_rows_f32(const PackRows& task) noexcept;
void end_rows_f32(const EndRows& task) noexcept;
}  // namespace scalar
namespace avx2 {
void transpose_f32(const Transpose& task) noexcept;
bool pack_rows_f32(const PackRows& task) noexcept;
void end_rows_f32(const EndRows& task) noexcept;
}  // namespace avx2
namespace neon {
void transpose_f32(const Transpose& task) noexcept;
bool pack_rows_f32(const PackRows& task) noexcept;
void end_rows_f32(const EndRows& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
