// Matrices of weights to packed codes and back, over threads: docs/quantization.md, weights.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/dispatch.hpp"

namespace cordwood::runtime {

/// Weights as they lie in memory, float32 or float64.
struct WeightsView {
  const void* data;
  uint8_t dtype;          ///< enum cordwood_dtype
  int64_t output_stride;  ///< bytes
  int64_t input_stride;   ///< bytes
  uint64_t n_outputs;
  uint64_t n_inputs;
};

struct WeightsForm {
  uint32_t bits;        ///< 8, 4, 3 or 2
  uint64_t group_size;  ///< a multiple of 32, or 0: an output is one group
  bool symmetric;
  bool half_scales;  ///< scales are values of float16
};

/// Codes with their scales and zero points, one row an output.
struct CodesView {
  uint8_t* payload;  ///< [output][payload_bytes()]
  float* scales;     ///< [output][group]
  uint8_t* zeros;    ///< [output][group]; null where all are 2 ** (bits - 1)
};

[[nodiscard]] uint64_t count_groups(const WeightsForm& form, uint64_t n_inputs) noexcept;
[[nodiscard]] uint64_t payload_bytes(const WeightsForm& form, uint64_t n_inputs) noexcept;

/// Chooses scales and zero points by the range of each group, then codes: round to nearest. NaN and
/// infinities are refused, the first by output and input.
Status quantize_weights(const KernelRow& kernels, const WeightsView& weights,
                        const WeightsForm& form, const CodesView& codes, unsigned threads) noexcept;

/// Chooses codes for scales and zero points that are given.
Status encode_weights(const KernelRow& kernels, const WeightsView& weights, const WeightsForm& form,
                      const CodesView& codes, unsigned threads) noexcept;

/// Writes `scale * (code - zero)`, [output][input] in C order.
Status decode_weights(const KernelRow& kernels, const CodesView& codes, const WeightsForm& form,
                      uint64_t n_outputs, uint64_t n_inputs, float* w, unsigned threads) noexcept;

}  // namespace cordwood::runtime
