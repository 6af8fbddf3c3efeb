// Kernels for arrays that come from no file: products, masks, quantising. One table for each
// instruction-set row of runtime/dispatch.cpp, which says which row takes which.
#pragma once

#include "kernels/prune_mask/prune_mask.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::runtime {

struct ArrayKernels {
  kernels::QuantizeRowsF32 quantize_rows_f32;
  kernels::PruneGroupsF32 prune_groups_f32;
  kernels::PruneSplitF32 prune_split_f32;
  kernels::PruneCount prune_count;
  kernels::PruneSumsF32 prune_sums_f32;
};

extern const ArrayKernels kArraysScalar;
#if defined(CORDWOOD_WITH_AVX2)
extern const ArrayKernels kArraysAvx2;
#endif
#if defined(CORDWOOD_WITH_AVX512)
extern const ArrayKernels kArraysAvx512;
#endif

}  // namespace cordwood::runtime
