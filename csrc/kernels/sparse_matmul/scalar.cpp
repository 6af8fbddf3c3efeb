// sparse_matmul, plainly: one output of one row at a time.
#include <math.h>

#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::kernels::scalar {
namespace {

/// A row of a tile, by input.
struct Row {
  const uint8_t* codes;
  uint32_t lanes;
  int32_t zero;
  [[nodiscard]] int32_t at(uint64_t input) const noexcept { return codes[input * lanes] - zero; }
};

Row row_of(const SparseRows& rows, uint32_t row) noexcept {
  const uint32_t tile = row / rows.lanes;
  return {.codes = rows.codes + uint64_t{tile} * rows.lanes * rows.stride + row % rows.lanes,
          .lanes = rows.lanes,
          .zero = kSparseZero + (rows.zeros != nullptr ? rows.zeros[row] : 0)};
}

int32_t weight(const uint8_t* code) noexcept {
  return static_cast<int8_t>(*code);
}

int32_t dot_pairs(const SparseWeights& weights, uint64_t output, Row row) noexcept {
  const uint64_t panel = output / kSparsePanel;
  int32_t sum = 0;
  for (uint64_t quad = 0; quad < weights.n_parts; ++quad) {
    const uint8_t* from =
        weights.codes + (panel * weights.n_parts + quad) * kQuadBytes + output % kSparsePanel * 4;
    for (uint32_t slot = 0; slot < 4; ++slot) {
      for (uint32_t byte = 0; byte < 4; ++byte) {
        const uint32_t position = (uint32_t{from[byte]} >> (2 * slot)) & 3u;
        const uint64_t input = quad * kQuadInputs + slot * 8 + position + (byte < 2 ? 0 : 4);
        sum += row.at(input) * weight(from + 128 + slot * 128 + byte);
      }
    }
  }
  return sum;
}

int32_t dot_blocks(const SparseWeights& weights, uint64_t output, Row row) noexcept {
  const uint64_t group = output / kSparseGroup;
  int32_t sum = 0;
  for (uint64_t eight = weights.starts[group]; eight < weights.starts[group + 1]; ++eight) {
    const uint8_t* from = weights.codes + eight * kEightBytes + output % kSparseGroup * 8;
    for (uint32_t i = 0; i < 8; ++i)
      sum += row.at(weights.inputs[eight * 8 + i]) * weight(from + i);
  }
  return sum;
}

int32_t dot_slots(const SparseWeights& weights, uint64_t output, Row row) noexcept {
  const uint64_t group = output / kSparseGroup;
  const uint8_t* from =
      weights.codes + weights.starts[group] * kSlotBytes + output % kSparseGroup * 4;
  int32_t sum = 0;
  for (uint64_t window = 0; window < weights.n_parts; ++window) {
    for (uint32_t slot = 0; slot < weights.counts[group * weights.n_parts + window]; ++slot) {
      for (uint32_t byte = 0; byte < 4; ++byte) {
        sum += row.at(window * kWindowInputs + from[64 + byte]) * weight(from + byte);
      }
      from += kSlotBytes;
    }
  }
  return sum;
}

int32_t dot(const SparseWeights& weights, uint64_t output, Row row) noexcept {
  switch (weights.kind) {
    case SparseKind::pairs:
      return dot_pairs(weights, output, row);
    case SparseKind::blocks:
      return dot_blocks(weights, output, row);
    default:
      return dot_slots(weights, output, row);
  }
}

void finish(const SparseMatmul& task, int32_t whole, uint64_t output, uint32_t row) noexcept {
  const SparseEnd& end = task.end;
  const float sum = static_cast<float>(whole) * task.weights.scales[output];
  const float scale = task.rows.scales[row];
  float y = end.bias != nullptr ? fmaf(sum, scale, end.bias[output]) : sum * scale;
  if (end.residual != nullptr) y += end.residual[row * end.residual_stride + output];
  if (end.cut != 0) {
    y = y <= end.low ? end.low : y;
    y = y >= end.high ? end.high : y;
  }
  end.out[row * end.out_stride + output] = y;
}

}  // namespace

void sparse_matmul_s8(const SparseMatmul& task) noexcept {
  for (uint64_t output = 0; output < task.end.n_outputs; ++output) {
    for (uint32_t row = 0; row < task.rows.n_rows; ++row) {
      finish(task, dot(task.weights, output, row_of(task.rows, row)), output, row);
    }
  }
}

void sparse_rows_s8(const SparseTile& task) noexcept {
  for (uint64_t input = 0; input < task.n_inputs; ++input) {
    for (uint32_t row = 0; row < task.n_rows; ++row) {
      const int32_t code = task.codes[row * task.stride + input] + kSparseZero;
      task.tile[input * task.lanes + row] = static_cast<uint8_t>(code);
    }
  }
}

}  // namespace cordwood::kernels::scalar
