// Kernels for arrays that come from no file: products, masks, quantising. One table for each
// instruction-set row of runtime/dispatch.cpp, which says which row takes which.
#pragma once

#include "kernels/activate/activate.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/coded.hpp"
#include "kernels/limits/limits.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/norms/norms.hpp"
#include "kernels/prune_mask/prune_mask.hpp"
#include "kernels/qmatmul/qmatmul.hpp"
#include "kernels/qmatmul/qmatmul_bf16.hpp"
#include "kernels/qmatmul/qmatmul_f32.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"
#include "kernels/quantize_weights/quantize_weights.hpp"
#include "kernels/sparse_matmul/sparse_matmul.hpp"
#include "kernels/unary/unary.hpp"
#include "runtime/dispatch_images.hpp"

namespace cordwood::runtime {

struct ProductKernels {
  kernels::QuantizeRowsF32 quantize_rows_f32;
  kernels::RequantizeRowsF32 requantize_rows_f32;
  kernels::QmatmulS8 qmatmul_s8;
  kernels::QmatmulF32Kernel qmatmul_f32;
  kernels::RoundRowsBf16 round_rows_bf16;
  kernels::QmatmulBf16Kernel qmatmul_bf16;
};

struct SparseKernels {
  kernels::SparseRowsS8 sparse_rows_s8;
  kernels::SparseMatmulS8 sparse_matmul_s8;
};

struct WeightKernels {
  kernels::WeightRangesF32 weight_ranges_f32;
  kernels::EncodeWeightsF32 encode_weights_f32;
  kernels::DecodeWeightsF32 decode_weights_f32;
  kernels::StreamFloats stream_floats;
  kernels::EndStream end_stream;
};

struct MaskKernels {
  kernels::PruneGroupsF32 prune_groups_f32;
  kernels::PruneSplitF32 prune_split_f32;
  kernels::PruneCount prune_count;
  kernels::PruneSumsF32 prune_sums_f32;
};

/// What nets do to floats, element by element and row by row.
struct FloatKernels {
  kernels::ActivateF32 activate_f32;
  kernels::UnaryF32 unary_f32;
  kernels::NormF32 layer_norm_f32;
  kernels::NormF32 rms_norm_f32;
  kernels::GroupNormF32 group_norm_f32;
  kernels::SoftmaxF32 softmax_f32;
  kernels::SoftmaxF32 log_softmax_f32;
};

/// Around products of activations with activations.
struct AttentionKernels {
  kernels::TransposeF32 transpose_f32;
  kernels::PackRowsF32 pack_rows_f32;
  kernels::EndRowsF32 end_rows_f32;
  kernels::AttentionWeightsF32 attention_weights_f32;
  kernels::AttentionValuesF32 attention_values_f32;
  kernels::CodeHeadsS8 code_heads_s8;
  kernels::PairValuesS16 pair_values_s16;
  kernels::AttentionScoresS8 attention_scores_s8;
  kernels::AttentionCodesF32 attention_codes_f32;
  kernels::AttentionValuesS16 attention_values_s16;
};

/// What benchmarks hold the others against.
struct LimitKernels {
  kernels::MultiplyAdds multiply_adds;
  kernels::MultiplyAdds multiply_adds_bf16;
  kernels::ReadBytes read_bytes;
};

struct ArrayKernels : ProductKernels,
                      SparseKernels,
                      WeightKernels,
                      MaskKernels,
                      FloatKernels,
                      AttentionKernels,
                      ImageKernels,
                      LimitKernels {};

extern const ArrayKernels kArraysScalar;
#if defined(CORDWOOD_WITH_AVX2)
extern const ArrayKernels kArraysAvx2;
#endif
#if defined(CORDWOOD_WITH_AVXVNNI)
extern const ArrayKernels kArraysAvxvnni;
#endif
#if defined(CORDWOOD_WITH_AVX512)
extern const ArrayKernels kArraysAvx512;
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
extern const ArrayKernels kArraysAvx512icl;
#endif
#if defined(CORDWOOD_WITH_AVX512BF16)
extern const ArrayKernels kArraysAvx512bf16;
#endif
#if defined(CORDWOOD_WITH_NEON)
extern const ArrayKernels kArraysNeon;
#endif
#if defined(CORDWOOD_WITH_NEON_DOTPROD)
extern const ArrayKernels kArraysNeonDotprod;
#endif
#if defined(CORDWOOD_WITH_NEON_I8MM)
extern const ArrayKernels kArraysNeonI8mm;
#endif

}  // namespace cordwood::runtime
