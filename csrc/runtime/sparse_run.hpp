// y = x @ w.T with a sparse matrix and everything around it, as runtime/qmatmul_run does for dense ones.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/activation.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"
#include "runtime/sparse_plan.hpp"

namespace cordwood::runtime {

/// What a product is made of and where it goes.
struct SparseCall {
  const float* x;     ///< [row][input]
  uint64_t x_stride;  ///< floats from row to row
  uint64_t n_rows;
  kernels::SparseEnd end;      ///< of the whole answer
  Activation activation = {};  ///< over finished answers, after any cut
  float static_scale;          ///< above 0: the scale of every activation
  unsigned threads;            ///< most that may work
};

/// Fails where an activation is NaN or infinite, with its row, or memory could not be had. The arena
/// holds activations as codes, one call at a time; once it is warm, a product allocates nothing.
Status run_sparse(Arena& arena, const SparsePlan& plan, const SparseCall& call,
                  const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
