// Between the sums of a caller, row by row, and those of a block, output by output.
#pragma once

#include <cstdint>
#include <cstring>

namespace cordwood::runtime {

template <class Float>
void copy_in(const Float* start, uint64_t n_rows, uint32_t n_outputs, uint64_t stride,
             Float* sums) {
  for (uint64_t row = 0; row < n_rows; ++row) {
    for (uint32_t k = 0; k < n_outputs; ++k) sums[k * stride + row] = start[row * n_outputs + k];
  }
}

template <class Float>
void copy_out(const Float* sums, uint64_t n_rows, uint32_t n_outputs, uint64_t stride, Float* out) {
  if (n_outputs == 1) {
    std::memcpy(out, sums, n_rows * sizeof(Float));
    return;
  }
  for (uint64_t row = 0; row < n_rows; ++row) {
    for (uint32_t k = 0; k < n_outputs; ++k) out[row * n_outputs + k] = sums[k * stride + row];
  }
}

}  // namespace cordwood::runtime
