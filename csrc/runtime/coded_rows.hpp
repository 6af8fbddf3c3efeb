// Activations as codes: a batch of rows in one block of memory, made by one thread or several.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {

/// Rows whose codes are made before they are multiplied: bounds the scratch, 4 MiB at 4096 inputs.
inline constexpr uint64_t kBatchRows = 1024;
/// Rows of one kernel call: their codes stay in L2 while a panel's weights pass.
inline constexpr uint64_t kBlockRows = 128;

/// Activations as they come, and the codes that they become.
struct RowSource {
  kernels::RowForm form = kernels::RowForm::symmetric;
  const float* x = nullptr;        ///< [row][input]; not where coded
  const uint8_t* given = nullptr;  ///< codes, where coded
  uint64_t stride = 0;             ///< floats or bytes from row to row
  float static_scale = 0.0f;       ///< above 0: the scale of every row
  int32_t static_zero = 0;         ///< of that scale, -128 to 127
  uint8_t flip = 0;                ///< 128 where given codes are uint8

  [[nodiscard]] bool operator==(const RowSource&) const noexcept = default;
};

/// What is coded, and how.
struct RowCoding {
  RowSource source;
  uint64_t n_inputs;
  uint64_t scale_group;  ///< inputs that share a scale; 0 for whole rows
  uint64_t sum_group;    ///< inputs of a sum
  uint64_t n_sums;       ///< of a row
  int32_t sum_factor;
  uint32_t tile_lanes;  ///< rows of a tile that a sparse product reads; 0 for no tiles

  [[nodiscard]] bool operator==(const RowCoding&) const noexcept = default;
};

/// Codes, scales, zero points, sums and tiles of a batch of rows.
struct CodedRows {
  int8_t* codes;
  float* scales;
  int32_t* zeros;  ///< as many as scales; null where symmetric
  int32_t* sums;
  uint8_t* tiles;       ///< [tile][input][lane], unsigned
  uint64_t stride;      ///< bytes from row to row; a tile has as many for each lane
  uint64_t row_scales;  ///< scales of a row
};

/// Room for so many rows.
Result<CodedRows> reserve_rows(Arena& arena, const RowCoding& coding, uint64_t n_rows) noexcept;

/// Makes the codes of rows `first` to `first + n_rows - 1` of x. Fails where one of them holds NaN or
/// an infinity, with its number.
Status code_rows(const RowCoding& coding, const CodedRows& rows, uint64_t first, uint64_t n_rows,
                 unsigned threads, const ArrayKernels& kernels) noexcept;

/// How a product is cut: row blocks times pieces of whole panels.
struct ProductPieces {
  uint64_t row_blocks;
  uint64_t piece_panels;
  uint64_t column_pieces;
};

/// For a product of so many rows and panels that would take one thread so long.
ProductPieces cut_product(uint64_t n_rows, uint64_t n_panels, unsigned threads,
                          double microseconds) noexcept;

/// Threads worth waking for it, at most `most`.
unsigned product_threads(double microseconds, unsigned most) noexcept;

}  // namespace cordwood::runtime
