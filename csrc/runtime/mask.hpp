// Pruning masks of a matrix of scores, over threads (docs/quantization.md, masks).
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {

/// Scores, row beside row; NaN among them is refused with its place.
struct MaskScores {
  const float* scores;
  uint64_t n_rows;
  uint64_t n_inputs;
  bool is_signed;  ///< false: magnitudes count

  [[nodiscard]] uint64_t size() const noexcept { return n_rows * n_inputs; }
};

/// Who computes, on how many threads at most.
struct MaskRun {
  const ArrayKernels& kernels;
  unsigned threads;
};

/// Scratch of one caller at a time. Once warm, a choice allocates nothing.
struct MaskContext {
  Arena pieces;  ///< of a long row, or each thread's part of a short one
  Arena sample;
};

/// n:m: `keep` of every `of` neighbours, 1 <= keep <= of <= kernels::kPruneGroupMax.
Status mask_groups(const MaskScores& scores, uint32_t keep, uint32_t of, uint8_t* mask,
                   const MaskRun& run) noexcept;

/// The `keep` best of every row, or of the whole matrix; no more than there are. Of equal ones those
/// with lower indices.
Status mask_top(MaskContext& context, const MaskScores& scores, uint64_t keep, bool whole,
                uint8_t* mask, const MaskRun& run) noexcept;

/// Sums of blocks, [ceil(n_rows / block_rows)][ceil(n_inputs / block_inputs)].
Status mask_sums(const MaskScores& scores, uint64_t block_rows, uint64_t block_inputs, float* sums,
                 const MaskRun& run) noexcept;

}  // namespace cordwood::runtime
