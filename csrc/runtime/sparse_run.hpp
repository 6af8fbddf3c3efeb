// y = x @ w.T with a sparse matrix and everything around it, as runtime/qmatmul_run does for dense ones.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/activation.hpp"
#include "runtime/answer_codes.hpp"
#include "runtime/coded_rows.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/memory.hpp"
#include "runtime/sparse_plan.hpp"

namespace cordwood::runtime {

/// What a product is made of and where it goes.
struct SparseCall {
  RowSource rows;
  uint64_t n_rows;
  kernels::SparseEnd end;      ///< of the whole answer
  AnswerCodes answer;          ///< in place of end.out
  Activation activation = {};  ///< over finished answers, after any cut
  unsigned threads;            ///< most that may work
};

/// Scratch of one caller at a time. Once warm, a product allocates nothing.
struct SparseContext {
  Arena rows;      ///< activations as codes
  Context blocks;  ///< of each thread: answers on their way to codes
};

/// Fails where an activation is NaN or infinite, with its row, or memory could not be had.
Status run_sparse(SparseContext& context, const SparsePlan& plan, const SparseCall& call,
                  const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
