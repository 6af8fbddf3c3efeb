// Pruning masks of a matrix of scores on the device: csrc/kernels/prune_mask says what each is, and
// every bit equals its rows'.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"

namespace cordwood::cuda {

/// Of the device: outputs beside one another, C-ordered.
struct MaskScores {
  const float* scores;
  uint64_t n_rows;
  uint64_t n_inputs;
  uint32_t is_signed;  ///< 0: magnitudes count

  [[nodiscard]] uint64_t size() const noexcept { return n_rows * n_inputs; }
};

/// n:m. Each of these gives the place of the first NaN, once the stream is done; kNoPlace for none.
Result<uint64_t> mask_groups(const MaskScores& scores, uint32_t keep, uint32_t of, uint8_t* mask,
                             cudaStream_t stream) noexcept;

/// The `keep` best of every row, or of the whole matrix.
Result<uint64_t> mask_top(const MaskScores& scores, uint64_t keep, bool whole, uint8_t* mask,
                          cudaStream_t stream) noexcept;

struct MaskBlocks {
  uint64_t rows;
  uint64_t inputs;
};

/// Places of NaN: among the scores, and among the sums, where infinities of both signs make it, too.
struct SumPlaces {
  uint64_t score;
  uint64_t sum;
};

/// Sums of blocks, [ceil(n_rows / blocks.rows)][ceil(n_inputs / blocks.inputs)].
Result<SumPlaces> mask_sums(const MaskScores& scores, const MaskBlocks& blocks, float* sums,
                            cudaStream_t stream) noexcept;

/// A mask of blocks as one of weights; nothing waits.
Status mask_spread(const uint8_t* chosen, const MaskBlocks& blocks, uint64_t n_rows,
                   uint64_t n_inputs, uint8_t* mask, cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
