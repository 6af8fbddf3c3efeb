// out = a @ b for stacks of matrices of activations: panels of b in scratch, then the product of
// kernels/qmatmul, over threads.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// One leading axis; a step is in floats, and 0 where an array is repeated along the axis.
struct BatchAxis {
  uint64_t size;
  uint64_t a_step;
  uint64_t b_step;
};

struct MatmulCall {
  const float* a;  ///< [row][inner], or [inner][row]
  const float* b;  ///< [inner][column], or [column][inner]
  float* out;      ///< [batch...][row][column], without gaps
  uint64_t n_rows;
  uint64_t n_inner;
  uint64_t n_columns;
  uint64_t a_stride;  ///< floats between lines of a matrix as it lies
  uint64_t b_stride;
  bool transpose_a;
  bool transpose_b;
  std::span<const BatchAxis> batch;  ///< outermost first
  unsigned threads;                  ///< most that may work
};

/// Fails only where memory could not be had. Once warm, it allocates nothing.
Status run_matmul(Context& scratch, const MatmulCall& call, const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
