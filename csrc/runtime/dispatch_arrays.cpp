#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {
namespace {

/// A row like another one but for its int8 products.
[[maybe_unused]] constexpr ArrayKernels with(kernels::QmatmulS8 qmatmul_s8,
                                             ArrayKernels row) noexcept {
  row.qmatmul_s8 = qmatmul_s8;
  return row;
}

}  // namespace

#if defined(CORDWOOD_WITH_AVX512ICL)
constexpr ArrayKernels kArraysAvx512icl{
    .quantize_rows_f32 = kernels::avx512icl::quantize_rows_f32,
    .qmatmul_s8 = kernels::avx512icl::qmatmul_s8,
    .qmatmul_f32 = kernels::avx512::qmatmul_f32,
    .weight_ranges_f32 = kernels::avx512::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx512::encode_weights_f32,
    .decode_weights_f32 = kernels::avx512::decode_weights_f32,
    .stream_floats = kernels::avx512::stream_floats,
    .end_stream = kernels::avx512::end_stream,
    .prune_groups_f32 = kernels::avx512::prune_groups_f32,
    .prune_split_f32 = kernels::avx512::prune_split_f32,
    .prune_count = kernels::avx512::prune_count,
    .prune_sums_f32 = kernels::avx512::prune_sums_f32,
    .multiply_adds = kernels::avx512icl::multiply_adds,
    .read_bytes = kernels::avx512icl::read_bytes,
    .sparse_rows_s8 = kernels::avx512icl::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx512icl::sparse_matmul_s8,
};
#endif

#if defined(CORDWOOD_WITH_AVX512)
constexpr ArrayKernels kArraysAvx512{
    .quantize_rows_f32 = kernels::avx2::quantize_rows_f32,
    .qmatmul_s8 = kernels::avx2::qmatmul_s8,
    .qmatmul_f32 = kernels::avx512::qmatmul_f32,
    .weight_ranges_f32 = kernels::avx512::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx512::encode_weights_f32,
    .decode_weights_f32 = kernels::avx512::decode_weights_f32,
    .stream_floats = kernels::avx512::stream_floats,
    .end_stream = kernels::avx512::end_stream,
    .prune_groups_f32 = kernels::avx512::prune_groups_f32,
    .prune_split_f32 = kernels::avx512::prune_split_f32,
    .prune_count = kernels::avx512::prune_count,
    .prune_sums_f32 = kernels::avx512::prune_sums_f32,
    .multiply_adds = kernels::scalar::multiply_adds,
    .read_bytes = kernels::scalar::read_bytes,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx2::sparse_matmul_s8,
};
#endif

#if defined(CORDWOOD_WITH_AVX2)
constexpr ArrayKernels kArraysAvx2{
    .quantize_rows_f32 = kernels::avx2::quantize_rows_f32,
    .qmatmul_s8 = kernels::avx2::qmatmul_s8,
    .qmatmul_f32 = kernels::avx2::qmatmul_f32,
    .weight_ranges_f32 = kernels::avx2::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx2::encode_weights_f32,
    .decode_weights_f32 = kernels::avx2::decode_weights_f32,
    .stream_floats = kernels::avx2::stream_floats,
    .end_stream = kernels::avx2::end_stream,
    .prune_groups_f32 = kernels::avx2::prune_groups_f32,
    .prune_split_f32 = kernels::avx2::prune_split_f32,
    .prune_count = kernels::avx2::prune_count,
    .prune_sums_f32 = kernels::avx2::prune_sums_f32,
    .multiply_adds = kernels::scalar::multiply_adds,
    .read_bytes = kernels::scalar::read_bytes,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx2::sparse_matmul_s8,
};
#endif

#if defined(CORDWOOD_WITH_AVXVNNI)
constexpr ArrayKernels kArraysAvxvnni = with(kernels::avxvnni::qmatmul_s8, kArraysAvx2);
#endif

#if defined(CORDWOOD_WITH_NEON)
constexpr ArrayKernels kArraysNeon{
    .quantize_rows_f32 = kernels::neon::quantize_rows_f32,
    .qmatmul_s8 = kernels::neon::qmatmul_s8,
    .qmatmul_f32 = kernels::neon::qmatmul_f32,
    .weight_ranges_f32 = kernels::scalar::weight_ranges_f32,
    .encode_weights_f32 = kernels::scalar::encode_weights_f32,
    .decode_weights_f32 = kernels::scalar::decode_weights_f32,
    .stream_floats = kernels::scalar::stream_floats,
    .end_stream = kernels::scalar::end_stream,
    .multiply_adds = kernels::scalar::multiply_adds,
    .read_bytes = kernels::scalar::read_bytes,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::scalar::sparse_matmul_s8,
};
#endif

#if defined(CORDWOOD_WITH_NEON_DOTPROD)
constexpr ArrayKernels kArraysNeonDotprod = with(kernels::neon_dotprod::qmatmul_s8, kArraysNeon);
#endif

#if defined(CORDWOOD_WITH_NEON_I8MM)
constexpr ArrayKernels kArraysNeonI8mm = with(kernels::neon_i8mm::qmatmul_s8, kArraysNeon);
#endif

constexpr ArrayKernels kArraysScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .qmatmul_s8 = kernels::scalar::qmatmul_s8,
    .qmatmul_f32 = kernels::scalar::qmatmul_f32,
    .weight_ranges_f32 = kernels::scalar::weight_ranges_f32,
    .encode_weights_f32 = kernels::scalar::encode_weights_f32,
    .decode_weights_f32 = kernels::scalar::decode_weights_f32,
    .stream_floats = kernels::scalar::stream_floats,
    .end_stream = kernels::scalar::end_stream,
    .prune_groups_f32 = kernels::scalar::prune_groups_f32,
    .prune_split_f32 = kernels::scalar::prune_split_f32,
    .prune_count = kernels::scalar::prune_count,
    .prune_sums_f32 = kernels::scalar::prune_sums_f32,
    .multiply_adds = kernels::scalar::multiply_adds,
    .read_bytes = kernels::scalar::read_bytes,
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::scalar::sparse_matmul_s8,
};

}  // namespace cordwood::runtime
