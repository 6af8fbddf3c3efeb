// Kernels for arrays that come from no file: products, masks, quantising. One table for each
// instruction-set row of runtime/dispatch.cpp, which says which row takes which.
#pragma once

#include "kernels/qmatmul/qmatmul.hpp"
#include "kernels/qmatmul/qmatmul_f32.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"
#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::runtime {

struct ArrayKernels {
  kernels::QuantizeRowsF32 quantize_rows_f32;
  kernels::QmatmulS8 qmatmul_s8;
  kernels::QmatmulF32Kernel qmatmul_f32;
  kernels::SparseRowsS8 sparse_rows_s8;
  kernels::SparseMatmulS8 sparse_matmul_s8;
};

extern const ArrayKernels kArraysScalar;
#if defined(CORDWOOD_WITH_AVX2)
extern const ArrayKernels kArraysAvx2;
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
extern const ArrayKernels kArraysAvx512icl;
#endif

}  // namespace cordwood::runtime
