// Vectors of 16 or 32 bytes for the rows that share panels.hpp and panels_f32.hpp, and how a row of
// finished sums becomes an answer.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels {
namespace {

template <uint32_t kBytes>
struct Lanes {
  using Words [[gnu::vector_size(kBytes)]] = uint16_t;
  using Shorts [[gnu::vector_size(kBytes)]] = int16_t;
  using Ints [[gnu::vector_size(kBytes)]] = int32_t;
  using Floats [[gnu::vector_size(kBytes)]] = float;
  /// Outputs of a vector, and vectors of a step.
  static constexpr uint32_t kOutputs = kBytes / 4;
  static constexpr uint32_t kVectors = kPanelOutputs / kOutputs;
};

template <class Vector>
[[gnu::always_inline]] inline Vector load(const void* from) noexcept {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Vector>
[[gnu::always_inline]] inline void store(void* to, Vector vector) noexcept {
  std::memcpy(to, &vector, sizeof vector);
}

/// Weights are asked for so far ahead: the processor's own streams end with a page.
[[gnu::always_inline]] inline void ask_ahead(const void* weights) noexcept {
  __builtin_prefetch(static_cast<const char*>(weights) + 1024);
}

/// Up to `count` floats; the rest is zero.
template <class Floats>
Floats load_some(const float* from, uint64_t count) noexcept {
  constexpr uint64_t kAll = sizeof(Floats) / sizeof(float);
  if (count >= kAll) return load<Floats>(from);
  Floats some{};
  std::memcpy(&some, from, count * sizeof(float));
  return some;
}

/// Scale, bias, residual and cut of finished sums; `first` and `count` are the panel's outputs.
template <class Isa>
void finish(const QmatmulEnd& end, const float* row_scale, const float* sums, uint32_t row,
            uint64_t first, uint64_t count) noexcept {
  using Floats = typename Lanes<Isa::kBytes>::Floats;
  constexpr uint64_t kOutputs = Lanes<Isa::kBytes>::kOutputs;
  for (uint64_t at = 0; at < count; at += kOutputs) {
    const uint64_t left = count - at;
    const uint64_t output = first + at;
    Floats y = load<Floats>(sums + at);
    if (end.bias != nullptr) {
      const auto bias = load_some<Floats>(end.bias + output, left);
      y = row_scale != nullptr ? Isa::fma(y, Isa::spread(*row_scale), bias) : y + bias;
    } else if (row_scale != nullptr) {
      y *= *row_scale;
    }
    if (end.residual != nullptr) {
      y += load_some<Floats>(end.residual + row * end.residual_stride + output, left);
    }
    if (end.cut != 0) {
      y = y <= Isa::spread(end.low) ? Isa::spread(end.low) : y;
      y = y >= Isa::spread(end.high) ? Isa::spread(end.high) : y;
    }
    float* out = end.out + row * end.out_stride + output;
    if (left >= kOutputs) {
      store(out, y);
    } else {
      std::memcpy(out, &y, left * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
