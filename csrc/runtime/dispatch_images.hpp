// Kernels of images, and which row takes which: a part of dispatch_arrays.
#pragma once

#include "kernels/batch_norm/batch_norm.hpp"
#include "kernels/conv/conv.hpp"
#include "kernels/image_codes/image_codes.hpp"
#include "kernels/pool/pool.hpp"

namespace cordwood::runtime {

struct ImageKernels {
  kernels::ConvU8Kernel conv_u8;
  kernels::ConvF32Kernel conv_f32;
  kernels::DepthwiseU8Kernel depthwise_u8;
  kernels::DepthwiseF32Kernel depthwise_f32;
  kernels::ImageTopF32 image_top_f32;
  kernels::ImageCodesF32 image_codes_f32;
  kernels::PoolF32Kernel pool_max_f32;
  kernels::PoolF32Kernel pool_mean_f32;
  kernels::PoolU8Kernel pool_max_u8;
  kernels::BatchNormF32 batch_norm_f32;
};

inline constexpr ImageKernels kImagesScalar{
    .conv_u8 = kernels::scalar::conv_u8,
    .conv_f32 = kernels::scalar::conv_f32,
    .depthwise_u8 = kernels::scalar::depthwise_u8,
    .depthwise_f32 = kernels::scalar::depthwise_f32,
    .image_top_f32 = kernels::scalar::image_top_f32,
    .image_codes_f32 = kernels::scalar::image_codes_f32,
    .pool_max_f32 = kernels::scalar::pool_max_f32,
    .pool_mean_f32 = kernels::scalar::pool_mean_f32,
    .pool_max_u8 = kernels::scalar::pool_max_u8,
    .batch_norm_f32 = kernels::scalar::batch_norm_f32,
};
#if defined(CORDWOOD_WITH_AVX2)
inline constexpr ImageKernels kImagesAvx2{
    .conv_u8 = kernels::avx2::conv_u8,
    .conv_f32 = kernels::avx2::conv_f32,
    .depthwise_u8 = kernels::avx2::depthwise_u8,
    .depthwise_f32 = kernels::avx2::depthwise_f32,
    .image_top_f32 = kernels::avx2::image_top_f32,
    .image_codes_f32 = kernels::avx2::image_codes_f32,
    .pool_max_f32 = kernels::avx2::pool_max_f32,
    .pool_mean_f32 = kernels::avx2::pool_mean_f32,
    .pool_max_u8 = kernels::avx2::pool_max_u8,
    .batch_norm_f32 = kernels::avx2::batch_norm_f32,
};
#endif
#if defined(CORDWOOD_WITH_AVXVNNI)
inline constexpr ImageKernels kImagesAvxvnni{
    .conv_u8 = kernels::avxvnni::conv_u8,
    .conv_f32 = kernels::avx2::conv_f32,
    .depthwise_u8 = kernels::avx2::depthwise_u8,
    .depthwise_f32 = kernels::avx2::depthwise_f32,
    .image_top_f32 = kernels::avx2::image_top_f32,
    .image_codes_f32 = kernels::avx2::image_codes_f32,
    .pool_max_f32 = kernels::avx2::pool_max_f32,
    .pool_mean_f32 = kernels::avx2::pool_mean_f32,
    .pool_max_u8 = kernels::avx2::pool_max_u8,
    .batch_norm_f32 = kernels::avx2::batch_norm_f32,
};
#endif
#if defined(CORDWOOD_WITH_AVX512)
inline constexpr ImageKernels kImagesAvx512{
    .conv_u8 = kernels::avx2::conv_u8,
    .conv_f32 = kernels::avx512::conv_f32,
    .depthwise_u8 = kernels::avx2::depthwise_u8,
    .depthwise_f32 = kernels::avx512::depthwise_f32,
    .image_top_f32 = kernels::avx512::image_top_f32,
    .image_codes_f32 = kernels::avx512::image_codes_f32,
    .pool_max_f32 = kernels::avx512::pool_max_f32,
    .pool_mean_f32 = kernels::avx512::pool_mean_f32,
    .pool_max_u8 = kernels::avx512::pool_max_u8,
    .batch_norm_f32 = kernels::avx512::batch_norm_f32,
};
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
inline constexpr ImageKernels kImagesAvx512icl{
    .conv_u8 = kernels::avx512icl::conv_u8,
    .conv_f32 = kernels::avx512::conv_f32,
    .depthwise_u8 = kernels::avx512icl::depthwise_u8,
    .depthwise_f32 = kernels::avx512::depthwise_f32,
    .image_top_f32 = kernels::avx512::image_top_f32,
    .image_codes_f32 = kernels::avx512::image_codes_f32,
    .pool_max_f32 = kernels::avx512::pool_max_f32,
    .pool_mean_f32 = kernels::avx512::pool_mean_f32,
    .pool_max_u8 = kernels::avx512::pool_max_u8,
    .batch_norm_f32 = kernels::avx512::batch_norm_f32,
};
#endif
#if defined(CORDWOOD_WITH_NEON)
inline constexpr ImageKernels kImagesNeon{
    .conv_u8 = kernels::neon::conv_u8,
    .conv_f32 = kernels::neon::conv_f32,
    .depthwise_u8 = kernels::neon::depthwise_u8,
    .depthwise_f32 = kernels::neon::depthwise_f32,
    .image_top_f32 = kernels::neon::image_top_f32,
    .image_codes_f32 = kernels::neon::image_codes_f32,
    .pool_max_f32 = kernels::neon::pool_max_f32,
    .pool_mean_f32 = kernels::neon::pool_mean_f32,
    .pool_max_u8 = kernels::neon::pool_max_u8,
    .batch_norm_f32 = kernels::scalar::batch_norm_f32,
};
#endif
#if defined(CORDWOOD_WITH_NEON_DOTPROD)
inline constexpr ImageKernels kImagesNeonDotprod{
    .conv_u8 = kernels::neon_dotprod::conv_u8,
    .conv_f32 = kernels::neon::conv_f32,
    .depthwise_u8 = kernels::neon::depthwise_u8,
    .depthwise_f32 = kernels::neon::depthwise_f32,
    .image_top_f32 = kernels::neon::image_top_f32,
    .image_codes_f32 = kernels::neon::image_codes_f32,
    .pool_max_f32 = kernels::neon::pool_max_f32,
    .pool_mean_f32 = kernels::neon::pool_mean_f32,
    .pool_max_u8 = kernels::neon::pool_max_u8,
    .batch_norm_f32 = kernels::scalar::batch_norm_f32,
};
#endif

}  // namespace cordwood::runtime
