// Eight weights to as many bytes as a code has bits, and back; scales as they are stored.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/array_steps.cuh"
#include "cuda/weights.hpp"
#include "kernels/quantize_weights/step.h"

namespace cordwood::cuda {

/// Codes that a thread packs together: for every number of bits a whole number of bytes.
inline constexpr uint32_t kCodes = 8;

struct GroupScale {
  float scale;
  uint8_t zero;
};

/// The scale and zero point of a group that reaches from `low` to `high`.
__device__ inline GroupScale choose_scale(const WeightsForm& form, float low, float high) {
  const auto top = static_cast<float>((1u << form.bits) - 1);
  const uint32_t middle = 1u << (form.bits - 1);
  float scale;
  if (form.symmetric) {
    scale = cordwood_scale_symmetric(low, high, static_cast<float>(middle - 1),
                                     1.0f / static_cast<float>(middle));
  } else {
    scale = cordwood_scale_asymmetric(low, high, top);
  }
  scale = cordwood_scale_or(scale, 0);
  if (form.half_scales && scale > 0.0f) scale = cordwood_scale_half(scale);
  const uint8_t zero =
      form.symmetric ? static_cast<uint8_t>(middle) : cordwood_scale_zero(low, scale, top);
  return {scale, zero};
}

__device__ inline void store_scale(const WeightsForm& form, const WeightCodes& codes,
                                   uint64_t group, const GroupScale& chosen) {
  if (form.half_scales) {
    static_cast<uint16_t*>(codes.scales)[group] = cordwood_half_bits(chosen.scale);
  } else {
    static_cast<float*>(codes.scales)[group] = chosen.scale;
  }
  if (codes.zeros != nullptr) codes.zeros[group] = chosen.zero;
}

__device__ inline GroupScale load_scale(const WeightsForm& form, const WeightCodes& codes,
                                        uint64_t group) {
  const float scale = form.half_scales
                          ? cordwood_half_of(static_cast<const uint16_t*>(codes.scales)[group])
                          : static_cast<const float*>(codes.scales)[group];
  const uint8_t middle = static_cast<uint8_t>(1u << (form.bits - 1));
  return {scale, codes.zeros != nullptr ? codes.zeros[group] : middle};
}

__device__ inline void load_weights(const float* w, uint32_t count, float (&read)[kCodes]) {
  if (count == kCodes && is_aligned(w, 16)) {
    const float4 lower = reinterpret_cast<const float4*>(w)[0];
    const float4 upper = reinterpret_cast<const float4*>(w)[1];
    read[0] = lower.x;
    read[1] = lower.y;
    read[2] = lower.z;
    read[3] = lower.w;
    read[4] = upper.x;
    read[5] = upper.y;
    read[6] = upper.z;
    read[7] = upper.w;
    return;
  }
#pragma unroll
  for (uint32_t i = 0; i < kCodes; ++i) read[i] = i < count ? w[i] : 0.0f;
}

__device__ inline void store_weights(const float (&made)[kCodes], uint32_t count, float* w) {
  if (count == kCodes && is_aligned(w, 16)) {
    reinterpret_cast<float4*>(w)[0] = make_float4(made[0], made[1], made[2], made[3]);
    reinterpret_cast<float4*>(w)[1] = make_float4(made[4], made[5], made[6], made[7]);
    return;
  }
#pragma unroll
  for (uint32_t i = 0; i < kCodes; ++i) {
    if (i < count) w[i] = made[i];
  }
}

/// Writes the lower kBits bytes, or as many of them as `count` codes need.
template <uint32_t kBits>
__device__ void store_codes(uint64_t packed, uint32_t count, uint8_t* out) {
  if (count == kCodes && kBits != 3 && is_aligned(out, kBits)) {
    if constexpr (kBits == 8) *reinterpret_cast<uint64_t*>(out) = packed;
    if constexpr (kBits == 4) *reinterpret_cast<uint32_t*>(out) = static_cast<uint32_t>(packed);
    if constexpr (kBits == 2) *reinterpret_cast<uint16_t*>(out) = static_cast<uint16_t>(packed);
    return;
  }
  const uint32_t n_bytes = (count * kBits + 7) / 8;
#pragma unroll
  for (uint32_t i = 0; i < kBits; ++i) {
    if (i < n_bytes) out[i] = static_cast<uint8_t>(packed >> (8 * i));
  }
}

template <uint32_t kBits>
__device__ uint64_t load_codes(const uint8_t* from, uint32_t count) {
  if (count == kCodes && kBits != 3 && is_aligned(from, kBits)) {
    if constexpr (kBits == 8) return *reinterpret_cast<const uint64_t*>(from);
    if constexpr (kBits == 4) return *reinterpret_cast<const uint32_t*>(from);
    if constexpr (kBits == 2) return *reinterpret_cast<const uint16_t*>(from);
  }
  const uint32_t n_bytes = (count * kBits + 7) / 8;
  uint64_t packed = 0;
#pragma unroll
  for (uint32_t i = 0; i < kBits; ++i) {
    if (i < n_bytes) packed |= uint64_t{from[i]} << (8 * i);
  }
  return packed;
}

}  // namespace cordwood::cuda
