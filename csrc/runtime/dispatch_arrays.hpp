// Kernels for arrays that come from no file: products, masks, quantising. One table for each
// instruction-set row of runtime/dispatch.cpp, which says which row takes which.
#pragma once

#include "kernels/quantize_rows/quantize_rows.hpp"
#include "kernels/quantize_weights/quantize_weights.hpp"

namespace cordwood::runtime {

struct ArrayKernels {
  kernels::QuantizeRowsF32 quantize_rows_f32;
  kernels::WeightRangesF32 weight_ranges_f32;
  kernels::EncodeWeightsF32 encode_weights_f32;
  kernels::DecodeWeightsF32 decode_weights_f32;
  kernels::StreamFloats stream_floats;
  kernels::EndStream end_stream;
};

extern const ArrayKernels kArraysScalar;
extern const ArrayKernels kArraysAvx2;
extern const ArrayKernels kArraysAvx512;

}  // namespace cordwood::runtime
