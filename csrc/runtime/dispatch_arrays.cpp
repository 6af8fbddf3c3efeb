#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

#if defined(CORDWOOD_WITH_AVX512ICL)
constexpr ArrayKernels kArraysAvx512icl{
    .quantize_rows_f32 = kernels::avx512icl::quantize_rows_f32,
    .qmatmul_s8 = kernels::avx512icl::qmatmul_s8,
    .qmatmul_f32 = kernels::avx512::qmatmul_f32,
    .sparse_rows_s8 = kernels::avx512icl::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx512icl::sparse_matmul_s8,
};
#endif

#if defined(CORDWOOD_WITH_AVX2)
constexpr ArrayKernels kArraysAvx2{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .qmatmul_s8 = kernels::scalar::qmatmul_s8,
    .qmatmul_f32 = kernels::scalar::qmatmul_f32,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx2::sparse_matmul_s8,
};
#endif

constexpr ArrayKernels kArraysScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .qmatmul_s8 = kernels::scalar::qmatmul_s8,
    .qmatmul_f32 = kernels::scalar::qmatmul_f32,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::scalar::sparse_matmul_s8,
};

}  // namespace cordwood::runtime
