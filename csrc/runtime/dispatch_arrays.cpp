#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {
namespace {

/// A row of all groups: none can be forgotten.
constexpr ArrayKernels make_row(const ProductKernels& products, const SparseKernels& sparse,
                                const WeightKernels& weights, const MaskKernels& masks,
                                const FloatKernels& floats, const AttentionKernels& attention,
                                const ImageKernels& images, const LimitKernels& limits) noexcept {
  return {products, sparse, weights, masks, floats, attention, images, limits};
}

constexpr ProductKernels kProductsScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .requantize_rows_f32 = kernels::scalar::requantize_rows_f32,
    .qmatmul_s8 = kernels::scalar::qmatmul_s8,
    .qmatmul_f32 = kernels::scalar::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::scalar::qmatmul_bf16,
};
constexpr SparseKernels kSparseScalar{
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::scalar::sparse_matmul_s8,
};
constexpr WeightKernels kWeightsScalar{
    .weight_ranges_f32 = kernels::scalar::weight_ranges_f32,
    .encode_weights_f32 = kernels::scalar::encode_weights_f32,
    .decode_weights_f32 = kernels::scalar::decode_weights_f32,
    .stream_floats = kernels::scalar::stream_floats,
    .end_stream = kernels::scalar::end_stream,
};
constexpr MaskKernels kMasksScalar{
    .prune_groups_f32 = kernels::scalar::prune_groups_f32,
    .prune_split_f32 = kernels::scalar::prune_split_f32,
    .prune_count = kernels::scalar::prune_count,
    .prune_sums_f32 = kernels::scalar::prune_sums_f32,
};
constexpr FloatKernels kFloatsScalar{
    .activate_f32 = kernels::scalar::activate_f32,
    .unary_f32 = kernels::scalar::unary_f32,
    .layer_norm_f32 = kernels::scalar::layer_norm_f32,
    .rms_norm_f32 = kernels::scalar::rms_norm_f32,
    .group_norm_f32 = kernels::scalar::group_norm_f32,
    .softmax_f32 = kernels::scalar::softmax_f32,
    .log_softmax_f32 = kernels::scalar::log_softmax_f32,
};
constexpr AttentionKernels kAttentionScalar{
    .transpose_f32 = kernels::scalar::transpose_f32,
    .pack_rows_f32 = kernels::scalar::pack_rows_f32,
    .end_rows_f32 = kernels::scalar::end_rows_f32,
    .attention_weights_f32 = kernels::scalar::attention_weights_f32,
    .attention_values_f32 = kernels::scalar::attention_values_f32,
    .code_heads_s8 = kernels::scalar::code_heads_s8,
    .pair_values_s16 = kernels::scalar::pair_values_s16,
    .attention_scores_s8 = kernels::scalar::attention_scores_s8,
    .attention_codes_f32 = kernels::scalar::attention_codes_f32,
    .attention_values_s16 = kernels::scalar::attention_values_s16,
};
constexpr LimitKernels kLimitsScalar{
    .multiply_adds = kernels::scalar::multiply_adds,
    .multiply_adds_bf16 = kernels::scalar::multiply_adds_bf16,
    .read_bytes = kernels::scalar::read_bytes,
};

#if defined(CORDWOOD_WITH_AVX2)
constexpr ProductKernels kProductsAvx2{
    .quantize_rows_f32 = kernels::avx2::quantize_rows_f32,
    .requantize_rows_f32 = kernels::avx2::requantize_rows_f32,
    .qmatmul_s8 = kernels::avx2::qmatmul_s8,
    .qmatmul_f32 = kernels::avx2::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::avx2::qmatmul_bf16,
};
constexpr SparseKernels kSparseAvx2{
    .sparse_rows_s8 = kernels::scalar::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx2::sparse_matmul_s8,
};
constexpr WeightKernels kWeightsAvx2{
    .weight_ranges_f32 = kernels::avx2::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx2::encode_weights_f32,
    .decode_weights_f32 = kernels::avx2::decode_weights_f32,
    .stream_floats = kernels::avx2::stream_floats,
    .end_stream = kernels::avx2::end_stream,
};
constexpr MaskKernels kMasksAvx2{
    .prune_groups_f32 = kernels::avx2::prune_groups_f32,
    .prune_split_f32 = kernels::avx2::prune_split_f32,
    .prune_count = kernels::avx2::prune_count,
    .prune_sums_f32 = kernels::avx2::prune_sums_f32,
};
constexpr FloatKernels kFloatsAvx2{
    .activate_f32 = kernels::avx2::activate_f32,
    .unary_f32 = kernels::avx2::unary_f32,
    .layer_norm_f32 = kernels::avx2::layer_norm_f32,
    .rms_norm_f32 = kernels::avx2::rms_norm_f32,
    .group_norm_f32 = kernels::avx2::group_norm_f32,
    .softmax_f32 = kernels::avx2::softmax_f32,
    .log_softmax_f32 = kernels::avx2::log_softmax_f32,
};
constexpr AttentionKernels kAttentionAvx2{
    .transpose_f32 = kernels::avx2::transpose_f32,
    .pack_rows_f32 = kernels::avx2::pack_rows_f32,
    .end_rows_f32 = kernels::avx2::end_rows_f32,
    .attention_weights_f32 = kernels::avx2::attention_weights_f32,
    .attention_values_f32 = kernels::avx2::attention_values_f32,
    .code_heads_s8 = kernels::avx2::code_heads_s8,
    .pair_values_s16 = kernels::avx2::pair_values_s16,
    .attention_scores_s8 = kernels::avx2::attention_scores_s8,
    .attention_codes_f32 = kernels::avx2::attention_codes_f32,
    .attention_values_s16 = kernels::avx2::attention_values_s16,
};
#endif

#if defined(CORDWOOD_WITH_AVXVNNI)
constexpr ProductKernels kProductsAvxvnni{
    .quantize_rows_f32 = kernels::avx2::quantize_rows_f32,
    .requantize_rows_f32 = kernels::avx2::requantize_rows_f32,
    .qmatmul_s8 = kernels::avxvnni::qmatmul_s8,
    .qmatmul_f32 = kernels::avx2::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::avx2::qmatmul_bf16,
};
#endif

#if defined(CORDWOOD_WITH_AVX512)
constexpr ProductKernels kProductsAvx512{
    .quantize_rows_f32 = kernels::avx2::quantize_rows_f32,
    .requantize_rows_f32 = kernels::avx2::requantize_rows_f32,
    .qmatmul_s8 = kernels::avx2::qmatmul_s8,
    .qmatmul_f32 = kernels::avx512::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::avx512::qmatmul_bf16,
};
constexpr WeightKernels kWeightsAvx512{
    .weight_ranges_f32 = kernels::avx512::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx512::encode_weights_f32,
    .decode_weights_f32 = kernels::avx512::decode_weights_f32,
    .stream_floats = kernels::avx512::stream_floats,
    .end_stream = kernels::avx512::end_stream,
};
constexpr MaskKernels kMasksAvx512{
    .prune_groups_f32 = kernels::avx512::prune_groups_f32,
    .prune_split_f32 = kernels::avx512::prune_split_f32,
    .prune_count = kernels::avx512::prune_count,
    .prune_sums_f32 = kernels::avx512::prune_sums_f32,
};
constexpr FloatKernels kFloatsAvx512{
    .activate_f32 = kernels::avx512::activate_f32,
    .unary_f32 = kernels::avx512::unary_f32,
    .layer_norm_f32 = kernels::avx512::layer_norm_f32,
    .rms_norm_f32 = kernels::avx512::rms_norm_f32,
    .group_norm_f32 = kernels::avx512::group_norm_f32,
    .softmax_f32 = kernels::avx512::softmax_f32,
    .log_softmax_f32 = kernels::avx512::log_softmax_f32,
};
constexpr AttentionKernels kAttentionAvx512{
    .transpose_f32 = kernels::avx2::transpose_f32,
    .pack_rows_f32 = kernels::avx2::pack_rows_f32,
    .end_rows_f32 = kernels::avx2::end_rows_f32,
    .attention_weights_f32 = kernels::avx512::attention_weights_f32,
    .attention_values_f32 = kernels::avx512::attention_values_f32,
    .code_heads_s8 = kernels::avx2::code_heads_s8,
    .pair_values_s16 = kernels::avx2::pair_values_s16,
    .attention_scores_s8 = kernels::avx2::attention_scores_s8,
    .attention_codes_f32 = kernels::avx512::attention_codes_f32,
    .attention_values_s16 = kernels::avx2::attention_values_s16,
};
#endif

#if defined(CORDWOOD_WITH_AVX512ICL)
constexpr ProductKernels kProductsAvx512icl{
    .quantize_rows_f32 = kernels::avx512icl::quantize_rows_f32,
    .requantize_rows_f32 = kernels::avx512icl::requantize_rows_f32,
    .qmatmul_s8 = kernels::avx512icl::qmatmul_s8,
    .qmatmul_f32 = kernels::avx512::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::avx512::qmatmul_bf16,
};
constexpr AttentionKernels kAttentionAvx512icl{
    .transpose_f32 = kernels::avx2::transpose_f32,
    .pack_rows_f32 = kernels::avx2::pack_rows_f32,
    .end_rows_f32 = kernels::avx2::end_rows_f32,
    .attention_weights_f32 = kernels::avx512::attention_weights_f32,
    .attention_values_f32 = kernels::avx512::attention_values_f32,
    .code_heads_s8 = kernels::avx512icl::code_heads_s8,
    .pair_values_s16 = kernels::avx512icl::pair_values_s16,
    .attention_scores_s8 = kernels::avx512icl::attention_scores_s8,
    .attention_codes_f32 = kernels::avx512::attention_codes_f32,
    .attention_values_s16 = kernels::avx512icl::attention_values_s16,
};
constexpr SparseKernels kSparseAvx512icl{
    .sparse_rows_s8 = kernels::avx512icl::sparse_rows_s8,
    .sparse_matmul_s8 = kernels::avx512icl::sparse_matmul_s8,
};
constexpr LimitKernels kLimitsAvx512icl{
    .multiply_adds = kernels::avx512icl::multiply_adds,
    .multiply_adds_bf16 = kernels::scalar::multiply_adds_bf16,
    .read_bytes = kernels::avx512icl::read_bytes,
};
#endif

#if defined(CORDWOOD_WITH_AVX512BF16)
constexpr ProductKernels kProductsAvx512bf16 = [] {
  ProductKernels products = kProductsAvx512icl;
  products.round_rows_bf16 = kernels::avx512bf16::round_rows_bf16;
  products.qmatmul_bf16 = kernels::avx512bf16::qmatmul_bf16;
  return products;
}();
constexpr LimitKernels kLimitsAvx512bf16{
    .multiply_adds = kernels::avx512icl::multiply_adds,
    .multiply_adds_bf16 = kernels::avx512bf16::multiply_adds_bf16,
    .read_bytes = kernels::avx512icl::read_bytes,
};
#endif

#if defined(CORDWOOD_WITH_NEON)
constexpr ProductKernels kProductsNeon{
    .quantize_rows_f32 = kernels::neon::quantize_rows_f32,
    .requantize_rows_f32 = kernels::neon::requantize_rows_f32,
    .qmatmul_s8 = kernels::neon::qmatmul_s8,
    .qmatmul_f32 = kernels::neon::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::scalar::qmatmul_bf16,
};
constexpr FloatKernels kFloatsNeon{
    .activate_f32 = kernels::neon::activate_f32,
    .unary_f32 = kernels::neon::unary_f32,
    .layer_norm_f32 = kernels::neon::layer_norm_f32,
    .rms_norm_f32 = kernels::neon::rms_norm_f32,
    .group_norm_f32 = kernels::neon::group_norm_f32,
    .softmax_f32 = kernels::neon::softmax_f32,
    .log_softmax_f32 = kernels::neon::log_softmax_f32,
};
constexpr AttentionKernels kAttentionNeon{
    .transpose_f32 = kernels::neon::transpose_f32,
    .pack_rows_f32 = kernels::neon::pack_rows_f32,
    .end_rows_f32 = kernels::neon::end_rows_f32,
    .attention_weights_f32 = kernels::neon::attention_weights_f32,
    .attention_values_f32 = kernels::neon::attention_values_f32,
    .code_heads_s8 = kernels::scalar::code_heads_s8,
    .pair_values_s16 = kernels::scalar::pair_values_s16,
    .attention_scores_s8 = kernels::scalar::attention_scores_s8,
    .attention_codes_f32 = kernels::neon::attention_codes_f32,
    .attention_values_s16 = kernels::scalar::attention_values_s16,
};
#endif
#if defined(CORDWOOD_WITH_NEON_DOTPROD)
constexpr ProductKernels kProductsNeonDotprod{
    .quantize_rows_f32 = kernels::neon::quantize_rows_f32,
    .requantize_rows_f32 = kernels::neon::requantize_rows_f32,
    .qmatmul_s8 = kernels::neon_dotprod::qmatmul_s8,
    .qmatmul_f32 = kernels::neon::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::scalar::qmatmul_bf16,
};
#endif
#if defined(CORDWOOD_WITH_NEON_I8MM)
constexpr ProductKernels kProductsNeonI8mm{
    .quantize_rows_f32 = kernels::neon::quantize_rows_f32,
    .requantize_rows_f32 = kernels::neon::requantize_rows_f32,
    .qmatmul_s8 = kernels::neon_i8mm::qmatmul_s8,
    .qmatmul_f32 = kernels::neon::qmatmul_f32,
    .round_rows_bf16 = kernels::scalar::round_rows_bf16,
    .qmatmul_bf16 = kernels::scalar::qmatmul_bf16,
};
#endif

}  // namespace

constexpr ArrayKernels kArraysScalar =
    make_row(kProductsScalar, kSparseScalar, kWeightsScalar, kMasksScalar, kFloatsScalar,
             kAttentionScalar, kImagesScalar, kLimitsScalar);
#if defined(CORDWOOD_WITH_AVX2)
constexpr ArrayKernels kArraysAvx2 =
    make_row(kProductsAvx2, kSparseAvx2, kWeightsAvx2, kMasksAvx2, kFloatsAvx2, kAttentionAvx2,
             kImagesAvx2, kLimitsScalar);
#endif
#if defined(CORDWOOD_WITH_AVXVNNI)
constexpr ArrayKernels kArraysAvxvnni =
    make_row(kProductsAvxvnni, kSparseAvx2, kWeightsAvx2, kMasksAvx2, kFloatsAvx2, kAttentionAvx2,
             kImagesAvxvnni, kLimitsScalar);
#endif
#if defined(CORDWOOD_WITH_AVX512)
constexpr ArrayKernels kArraysAvx512 =
    make_row(kProductsAvx512, kSparseAvx2, kWeightsAvx512, kMasksAvx512, kFloatsAvx512,
             kAttentionAvx512, kImagesAvx512, kLimitsScalar);
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
constexpr ArrayKernels kArraysAvx512icl =
    make_row(kProductsAvx512icl, kSparseAvx512icl, kWeightsAvx512, kMasksAvx512, kFloatsAvx512,
             kAttentionAvx512icl, kImagesAvx512icl, kLimitsAvx512icl);
#endif
#if defined(CORDWOOD_WITH_AVX512BF16)
constexpr ArrayKernels kArraysAvx512bf16 =
    make_row(kProductsAvx512bf16, kSparseAvx512icl, kWeightsAvx512, kMasksAvx512, kFloatsAvx512,
             kAttentionAvx512icl, kImagesAvx512icl, kLimitsAvx512bf16);
#endif
#if defined(CORDWOOD_WITH_NEON)
constexpr ArrayKernels kArraysNeon =
    make_row(kProductsNeon, kSparseScalar, kWeightsScalar, kMasksScalar, kFloatsNeon,
             kAttentionNeon, kImagesNeon, kLimitsScalar);
#endif
#if defined(CORDWOOD_WITH_NEON_DOTPROD)
constexpr ArrayKernels kArraysNeonDotprod =
    make_row(kProductsNeonDotprod, kSparseScalar, kWeightsScalar, kMasksScalar, kFloatsNeon,
             kAttentionNeon, kImagesNeonDotprod, kLimitsScalar);
#endif
#if defined(CORDWOOD_WITH_NEON_I8MM)
constexpr ArrayKernels kArraysNeonI8mm =
    make_row(kProductsNeonI8mm, kSparseScalar, kWeightsScalar, kMasksScalar, kFloatsNeon,
             kAttentionNeon, kImagesNeonDotprod, kLimitsScalar);
#endif

}  // namespace cordwood::runtime
