// Answers of products as codes: blocks of rows by panels become floats in scratch and codes from there,
// while they are in cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/qmatmul/qmatmul.hpp"
#include "runtime/activation.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// What answers become; strides are those of the floats that they replace.
struct AnswerCodes {
  uint8_t* out = nullptr;  ///< [row][output]; null where answers stay floats
  float scale = 0.0f;
  int32_t zero = 0;  ///< -128 to 127
  uint8_t flip = 0;  ///< 128 for uint8
};

/// Floats of a block that are on their way: most of them stay in L1 or near it.
inline constexpr uint64_t kAnswerFloats = 16384;

/// Panels of a block of so many rows.
constexpr uint64_t answer_panels(uint64_t n_rows) noexcept {
  return std::max<uint64_t>(1, kAnswerFloats / (n_rows * kernels::kPanelOutputs));
}

/// Room for a block of up to so many rows.
constexpr uint64_t answer_bytes_up_to(uint64_t n_rows) noexcept {
  return std::max(kAnswerFloats, n_rows * kernels::kPanelOutputs) * sizeof(float);
}

/// Rows and panels of one piece of a product.
struct ProductPiece {
  uint64_t row;
  uint64_t n_rows;
  uint64_t panel;
  uint64_t n_panels;
};

/// Calls multiply(panel, end) for a piece, all at once where that is the end of it, else block by block.
/// `end` is of the whole answer: kernels::QmatmulEnd or kernels::SparseEnd.
template <class End, class Multiply>
void multiply_piece(const ProductPiece& piece, const End& end, const AnswerCodes& answer,
                    const Activation& activation, float* block, const ArrayKernels& kernels,
                    const Multiply& multiply) noexcept {
  const bool coded = answer.out != nullptr;
  const bool blocks = coded || activation.wanted;
  const uint64_t step = blocks ? answer_panels(piece.n_rows) : piece.n_panels;
  for (uint64_t done = 0; done < piece.n_panels; done += step) {
    const uint64_t column = (piece.panel + done) * kernels::kPanelOutputs;
    const uint64_t n_panels = std::min(step, piece.n_panels - done);
    const uint64_t at = piece.row * end.out_stride + column;
    End own = end;
    own.n_outputs = std::min(n_panels * kernels::kPanelOutputs, end.n_outputs - column);
    own.out = coded ? block : end.out + at;
    if (coded) own.out_stride = n_panels * kernels::kPanelOutputs;
    if (end.bias != nullptr) own.bias += column;
    if (end.residual != nullptr) own.residual += piece.row * end.residual_stride + column;
    multiply(piece.panel + done, own);
    activate_block(kernels, activation, own.out, own.out_stride, piece.n_rows, own.n_outputs);
    if (!coded) continue;
    kernels.requantize_rows_f32({.y = block,
                                 .codes = answer.out + at,
                                 .y_stride = own.out_stride,
                                 .code_stride = end.out_stride,
                                 .n_rows = piece.n_rows,
                                 .n_columns = own.n_outputs,
                                 .scale = answer.scale,
                                 .zero = answer.zero,
                                 .flip = answer.flip});
  }
}

}  // namespace cordwood::runtime
