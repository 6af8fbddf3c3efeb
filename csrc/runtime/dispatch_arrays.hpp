// Kernels for arrays that come from no file: products, masks, quantising. One table for each
// instruction-set row of runtime/dispatch.cpp, which says which row takes which.
#pragma once

#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::runtime {

struct ArrayKernels {
  kernels::QuantizeRowsF32 quantize_rows_f32;
};

extern const ArrayKernels kArraysScalar;

}  // namespace cordwood::runtime
