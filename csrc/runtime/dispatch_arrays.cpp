#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

constexpr ArrayKernels kArraysScalar{
    .quantize_rows_f32 = kernels::scalar::quantize_rows_f32,
};

}  // namespace cordwood::runtime
