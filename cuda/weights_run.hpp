// Codes by scales that are chosen on the way, or are there already.
#pragma once

#include <cuda_runtime.h>

#include "cuda/weights.hpp"

namespace cordwood::cuda {

/// Notes the place of the first weight that is not finite where it chooses the scales; nothing waits.
Status encode_weights(const float* w, const WeightsForm& form, const WeightCodes& codes,
                      bool scales_given, unsigned long long* first_bad,
                      cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
