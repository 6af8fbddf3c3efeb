// y = x @ w.T with everything around it: activations to codes, the product over threads, the ending.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/activation.hpp"
#include "runtime/answer_codes.hpp"
#include "runtime/coded_rows.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/qmatmul_plan.hpp"

namespace cordwood::runtime {

/// What a product is made of and where it goes.
struct QmatmulCall {
  RowSource rows;
  uint64_t n_rows;
  kernels::QmatmulEnd end;     ///< of the whole answer
  AnswerCodes answer;          ///< in place of end.out
  Activation activation = {};  ///< over finished answers, after any cut
  bool float_rows;             ///< activations stay float32, as they do with float weights
  bool bf16_rows = false;      ///< activations become bfloat16; weights have to be
  uint64_t scale_group;        ///< inputs that share an activation scale; 0 for whole rows
  unsigned threads;            ///< most that may work
  bool same_rows = false;      ///< the context's product before this one read the same numbers
};

/// Codes of the rows that a product read, for the next one that reads them.
struct RowsAtHand {
  RowCoding coding{};
  CodedRows rows{};
  uint64_t n_rows = 0;  ///< 0 where there are none
};

/// Scratch of one caller at a time. Once warm, a product allocates nothing.
struct QmatmulContext {
  Arena rows;       ///< activations as codes or bfloat16
  Context scratch;  ///< of each thread: a kernel's, then a block of answers
  RowsAtHand at_hand;
};

/// Fails where codes meet weights that are no codes, or bfloat16 activations other weights, where an
/// activation that gets a code is NaN or infinite, with its row, or where memory could not be had.
Status run_qmatmul(QmatmulContext& context, const QmatmulPlan& plan, const QmatmulCall& call,
                   const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
