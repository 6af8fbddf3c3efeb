// quantize_weights: one output's float32 weights to packed codes of 8, 4, 3 or 2 bits and back
// (docs/quantization.md, weights). A group of inputs shares a scale and a zero point.
//
//     w        [input]                groups of `group_size`, the last one shorter
//     payload  [input * bits / 8]     codes from the lowest bit of the first byte up; groups start on
//                                     whole bytes, what the last byte has left is zero
//
// `group_size` is a multiple of 32, or at least `n_inputs`, which makes one group.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Codes that the kernels pack together: for every number of bits a whole number of bytes.
inline constexpr uint64_t kPackedCodes = 32;

struct WeightRanges {
  const float* w;
  float* low;   ///< least of a group and zero; a zero is positive
  float* high;  ///< largest of a group and zero; a zero is positive
  uint64_t n_inputs;
  uint64_t group_size;
};

struct EncodeWeights {
  const float* w;            ///< finite
  const float* reciprocals;  ///< [group] of the scales, finite; 0 where every weight counts as zero
  const uint8_t* zeros;      ///< [group] codes of zero
  uint8_t* payload;
  uint64_t n_inputs;
  uint64_t group_size;
  uint32_t bits;
};

struct DecodeWeights {
  const uint8_t* payload;
  const float* scales;   ///< [group]
  const uint8_t* zeros;  ///< [group]
  float* w;
  uint64_t n_inputs;
  uint64_t group_size;
  uint32_t bits;
};

/// False where a weight is NaN or infinite; what was written is then of no use.
using WeightRangesF32 = bool (*)(const WeightRanges& task) noexcept;
using EncodeWeightsF32 = void (*)(const EncodeWeights& task) noexcept;
using DecodeWeightsF32 = void (*)(const DecodeWeights& task) noexcept;

/// Copies past the caches, for results larger than they are: a plain store would first read the line
/// that it is about to overwrite. Another thread may read them after the same thread's EndStream.
using StreamFloats = void (*)(const float* source, float* target, uint64_t count) noexcept;
using EndStream = void (*)() noexcept;

#define CORDWOOD_DECLARE_QUANTIZE_WEIGHTS(isa)                                                     \
  namespace isa {                                                                                  \
  bool weight_ranges_f32(const WeightRanges& task) noexcept;                                       \
  void encode_weights_f32(const EncodeWeights& task) noexcept;                                     \
  void decode_weights_f32(const DecodeWeights& task) noexcept;                                     \
  void stream_floats(const float* source, float* target, uint64_t count) noexcept;                 \
  void end_stream() noexcept;                                                                      \
  }

CORDWOOD_DECLARE_QUANTIZE_WEIGHTS(scalar)
CORDWOOD_DECLARE_QUANTIZE_WEIGHTS(avx2)
CORDWOOD_DECLARE_QUANTIZE_WEIGHTS(avx512)
#undef CORDWOOD_DECLARE_QUANTIZE_WEIGHTS

}  // namespace cordwood::kernels
