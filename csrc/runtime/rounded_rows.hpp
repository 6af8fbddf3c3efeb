// Activations as pairs of bfloat16: a batch of rows in one block of memory, made by one thread or several.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {

/// What is rounded.
struct RowRounding {
  const float* x;     ///< [row][input]
  uint64_t x_stride;  ///< floats from row to row
  uint64_t n_inputs;
};

struct RoundedRows {
  uint32_t* pairs;  ///< [row][pair]
  uint64_t stride;  ///< pairs from row to row
};

/// Room for so many rows.
Result<RoundedRows> reserve_rounded(Arena& arena, const RowRounding& rounding,
                                    uint64_t n_rows) noexcept;

/// Rounds rows `first` to `first + n_rows - 1` of x.
Status round_rows(const RowRounding& rounding, const RoundedRows& rows, uint64_t first,
                  uint64_t n_rows, unsigned threads, const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
