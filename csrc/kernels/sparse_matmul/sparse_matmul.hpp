// sparse_matmul: rows of 8-bit activations times a matrix of int8 weights, most of them zero, with a
// scale for each output (docs/quantization.md; docs/kernels.md says what each kind costs).
//
// Weights are signed and activations unsigned, a code of c as c + 128. What that adds to a sum is
// 128 * (sum of the output's weights), known when weights are laid out: sums start with it, negative.
// Where activations have zero points, what those add is zero * (sum of the output's weights) more. An
// int32 holds 255 * 128 for each of 65 536 inputs.
//
//     pairs    at most two of four neighbouring inputs. A panel of 32 outputs is a row of quads, 32
//              inputs each, 640 bytes:
//                  [output 0..31][byte 0..3]                 positions, two bits for each of 4 slots
//                  [slot 0..3][output 0..31][byte 0..3]      weights
//              Byte b of a slot stands for input 8 * slot + position + (b < 2 ? 0 : 4) of the quad.
//     blocks   16 outputs share their inputs. A group of them is a row of eights:
//                  weights  [eight][output 0..15][input 0..7]       inputs  [eight][0..7]
//     slots    anything. A group of 16 outputs is a row of slots, some for each window of 64 inputs:
//                  [slot][ weights: [output 0..15][byte 0..3], positions: the same ]
//              A position is an input of the slot's window.
//
// What is left over is filled with weights of zero. Sums are integers, exact in any order; floats
// follow in the order that docs/quantization.md fixes for a matrix of one group.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

enum class SparseKind : uint32_t { pairs, blocks, slots };

inline constexpr uint32_t kSparsePanel = 32;  ///< outputs that are never parted
inline constexpr uint32_t kSparseGroup = 16;
inline constexpr uint32_t kQuadInputs = 32;
inline constexpr uint32_t kQuadBytes = 640;
inline constexpr uint32_t kEightBytes = 128;
inline constexpr uint32_t kSlotBytes = 128;
inline constexpr uint32_t kWindowInputs = 64;
inline constexpr int32_t kSparseZeroBits = 7;
/// What is added to a signed activation: the code of zero where there are no zero points.
inline constexpr int32_t kSparseZero = 1 << kSparseZeroBits;
/// Inputs whose sums an int32 holds, and whose numbers 16 bits hold.
inline constexpr uint64_t kSparseMaxInputs = 65536;

/// Rows that lie side by side in a tile, input by input.
inline constexpr uint32_t kMostLanes = 32;

/// Weights of consecutive panels.
struct SparseWeights {
  SparseKind kind;
  const uint8_t* codes;
  const uint16_t* inputs;  ///< blocks: [eight][8], from the first of the matrix on
  const uint8_t* counts;   ///< slots: [group][window], slots of each
  const uint64_t* starts;  ///< blocks and slots: [group + 1], first eight or slot of the matrix
  const float* scales;     ///< [output]
  const int32_t* offsets;  ///< [output], -128 * sum of the output's weights
  uint64_t n_parts;        ///< pairs: quads of a panel; slots: windows of a group
};

/// Activations as sparse_rows leaves them.
struct SparseRows {
  const uint8_t* codes;  ///< [tile][input][lane]
  const float* scales;   ///< [row]
  const int32_t* zeros;  ///< [row], codes less 128; null where all are 0
  uint64_t stride;       ///< bytes that a row takes of its tile; a tile has lanes times as many
  uint32_t n_rows;
  uint32_t lanes;  ///< rows of a tile: 1, and for blocks 4, 8 or 32; the last may have fewer
};

/// What becomes of a finished sum.
struct SparseEnd {
  float* out;             ///< [row][output]
  const float* bias;      ///< [output]; null for none
  const float* residual;  ///< [row][output]; null for none
  uint64_t out_stride;
  uint64_t residual_stride;
  uint64_t n_outputs;  ///< of these panels; the last panel may have fewer than 32
  float low;           ///< the answer is cut to low and high, NaN is not; relu is 0 and infinity
  float high;
  uint32_t cut;  ///< 0: as it is
};

struct SparseMatmul {
  SparseWeights weights;
  SparseRows rows;
  SparseEnd end;
};

/// Signed codes of up to `lanes` rows to one tile of unsigned ones, input by input.
struct SparseTile {
  const int8_t* codes;  ///< [row][input]
  uint8_t* tile;        ///< [input][lane]
  uint64_t stride;      ///< bytes from row to row
  uint64_t n_inputs;    ///< a multiple of 64
  uint32_t n_rows;
  uint32_t lanes;  ///< 1, 4, 8 or 32; what is past the last row is anything
};

using SparseMatmulS8 = void (*)(const SparseMatmul& task) noexcept;
using SparseRowsS8 = void (*)(const SparseTile& task) noexcept;

namespace scalar {
void sparse_matmul_s8(const SparseMatmul& task) noexcept;
void sparse_rows_s8(const SparseTile& task) noexcept;
}  // namespace scalar
namespace avx2 {
void sparse_matmul_s8(const SparseMatmul& task) noexcept;
}
namespace avx512icl {
void sparse_matmul_s8(const SparseMatmul& task) noexcept;
void sparse_rows_s8(const SparseTile& task) noexcept;
}  // namespace avx512icl

}  // namespace cordwood::kernels
