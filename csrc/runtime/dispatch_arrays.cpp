#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

constexpr ArrayKernels kArraysScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .prune_groups_f32 = kernels::scalar::prune_groups_f32,
    .prune_split_f32 = kernels::scalar::prune_split_f32,
    .prune_count = kernels::scalar::prune_count,
    .prune_sums_f32 = kernels::scalar::prune_sums_f32,
};

#if defined(CORDWOOD_WITH_AVX2)
constexpr ArrayKernels kArraysAvx2{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .prune_groups_f32 = kernels::avx2::prune_groups_f32,
    .prune_split_f32 = kernels::avx2::prune_split_f32,
    .prune_count = kernels::avx2::prune_count,
    .prune_sums_f32 = kernels::avx2::prune_sums_f32,
};
#endif

#if defined(CORDWOOD_WITH_AVX512)
constexpr ArrayKernels kArraysAvx512{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .prune_groups_f32 = kernels::avx512::prune_groups_f32,
    .prune_split_f32 = kernels::avx512::prune_split_f32,
    .prune_count = kernels::avx512::prune_count,
    .prune_sums_f32 = kernels::avx512::prune_sums_f32,
};
#endif

}  // namespace cordwood::runtime
