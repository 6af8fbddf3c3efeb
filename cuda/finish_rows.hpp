// Links and decisions on the device.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "format/operators.h"
#include "kernels/link/link.hpp"

namespace cordwood::cuda {

/// Every kind of link, the logit too. Pointers are of the device.
template <class T>
Status link_rows(const kernels::LinkTask<T>& task, cudaStream_t stream) noexcept;

/// Class indices of rows, C order [n_rows, n_columns].
template <class T>
Status decide_rows(const cordwood_decide_attributes& attributes, const uint32_t* groups,
                   uint64_t n_groups, const T* values, uint64_t n_rows, uint64_t n_columns,
                   int64_t* out, cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
