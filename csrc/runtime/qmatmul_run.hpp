// y = x @ w.T with everything around it: activations to codes, the product over threads, the ending.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/qmatmul_plan.hpp"

namespace cordwood::runtime {

/// What a product is made of and where it goes.
struct QmatmulCall {
  const float* x;     ///< [row][input]
  uint64_t x_stride;  ///< floats from row to row
  uint64_t n_rows;
  kernels::QmatmulEnd end;  ///< of the whole answer
  bool float_rows;          ///< activations stay float32, as they do with float weights
  bool bf16_rows;           ///< activations become bfloat16; weights have to be
  uint64_t scale_group;     ///< inputs that share an activation scale; 0 for whole rows
  float static_scale;       ///< above 0: the scale of every activation
  unsigned threads;         ///< most that may work
};

/// Scratch of one caller at a time. Once warm, a product allocates nothing.
struct QmatmulContext {
  Arena rows;       ///< activations as codes or bfloat16
  Context scratch;  ///< of each thread
};

/// Fails where an activation that gets a code is NaN or infinite, with its row, where bfloat16
/// activations meet other weights, or memory could not be had.
Status run_qmatmul(QmatmulContext& context, const QmatmulPlan& plan, const QmatmulCall& call,
                   const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
