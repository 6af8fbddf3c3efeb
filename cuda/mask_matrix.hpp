// The best scores of a whole matrix, by all blocks together.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "cuda/mask.hpp"

namespace cordwood::cuda {

/// What choose_matrix() needs of scratch, aligned to 256 bytes.
[[nodiscard]] uint64_t matrix_scratch_bytes(const MaskScores& scores) noexcept;

/// Marks the `keep` best, and notes the place of the first NaN; nothing waits.
Status choose_matrix(const MaskScores& scores, uint64_t keep, uint8_t* mask,
                     unsigned long long* first_nan, std::byte* scratch,
                     cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
