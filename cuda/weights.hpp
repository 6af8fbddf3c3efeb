// Matrices of weights to packed codes and back on the device: csrc/kernels/quantize_weights says what
// they are, and every bit equals its rows'.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"

namespace cordwood::cuda {

struct WeightsForm {
  uint64_t n_outputs;
  uint64_t n_inputs;
  uint64_t group_size;  ///< a multiple of 32, or n_inputs
  uint64_t n_groups;    ///< of an output
  uint32_t bits;        ///< 8, 4, 3 or 2
  bool symmetric;
  bool half_scales;  ///< scales are stored as float16

  [[nodiscard]] __host__ __device__ uint64_t payload_bytes() const noexcept {
    return (n_inputs * bits + 7) / 8;
  }
};

/// Of the device, as in QuantizedTensor.
struct WeightCodes {
  uint8_t* payload;  ///< [output][payload_bytes()]
  void* scales;      ///< [output][group], float or float16
  uint8_t* zeros;    ///< [output][group]; null where symmetric
};

/// Shares of a group's range that may be tried.
inline constexpr uint32_t kMostRatios = 64;

struct RangeRatios {
  float ratios[kMostRatios];
  uint32_t count;
};

/// Codes by scales from each group's range. Gives the place of the first weight that is not finite,
/// once the stream is done; kNoPlace where there is none.
Result<uint64_t> quantize_weights(const float* w, const WeightsForm& form, const WeightCodes& codes,
                                  cudaStream_t stream) noexcept;

/// Codes by scales from that share of each group's range which leaves the least squared error; of equal
/// ones the first.
Result<uint64_t> clip_weights(const float* w, const WeightsForm& form, const RangeRatios& ratios,
                              const WeightCodes& codes, cudaStream_t stream) noexcept;

/// What codes stand for; nothing waits.
Status decode_weights(const WeightCodes& codes, const WeightsForm& form, float* w,
                      cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
