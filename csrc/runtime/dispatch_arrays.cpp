#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

#if defined(CORDWOOD_WITH_AVX512)
constexpr ArrayKernels kArraysAvx512{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .weight_ranges_f32 = kernels::avx512::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx512::encode_weights_f32,
    .decode_weights_f32 = kernels::avx512::decode_weights_f32,
    .stream_floats = kernels::avx512::stream_floats,
    .end_stream = kernels::avx512::end_stream,
};
#endif

#if defined(CORDWOOD_WITH_AVX2)
constexpr ArrayKernels kArraysAvx2{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .weight_ranges_f32 = kernels::avx2::weight_ranges_f32,
    .encode_weights_f32 = kernels::avx2::encode_weights_f32,
    .decode_weights_f32 = kernels::avx2::decode_weights_f32,
    .stream_floats = kernels::avx2::stream_floats,
    .end_stream = kernels::avx2::end_stream,
};
#endif

constexpr ArrayKernels kArraysScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
    .weight_ranges_f32 = kernels::scalar::weight_ranges_f32,
    .encode_weights_f32 = kernels::scalar::encode_weights_f32,
    .decode_weights_f32 = kernels::scalar::decode_weights_f32,
    .stream_floats = kernels::scalar::stream_floats,
    .end_stream = kernels::scalar::end_stream,
};

}  // namespace cordwood::runtime
