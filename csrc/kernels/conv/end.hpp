// Vectors of outputs, and how a tile of finished sums becomes an answer. `Isa` (avx2.hpp, avx512.hpp) has
//
//     kBytes, Ints, Floats                       // of its vectors
//     static Floats spread(float), fma(a, b, c), cut(y, low, high);
//     static Ints round(Floats), widen(const uint8_t* bytes);
//     static void store_low_bytes(uint8_t* to, Ints);
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/conv/conv.hpp"

namespace cordwood::kernels {
namespace {

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

/// Up to `count` numbers; the rest is zero.
template <class Vector, class T>
[[gnu::always_inline]] inline Vector load_some(const T* from, uint64_t count) noexcept {
  constexpr uint64_t kAll = sizeof(Vector) / sizeof(T);
  if (count >= kAll) return load<Vector>(from);
  Vector some{};
  std::memcpy(&some, from, count * sizeof(T));
  return some;
}

/// Finished sums of `n_positions` by one vector of outputs, and where they belong.
struct Column {
  const void* sums;     ///< floats, or integers to be scaled
  uint64_t sum_bytes;   ///< from position to position
  const float* scales;  ///< of these outputs; null for floats
  float x_scale;
  uint32_t row;
  uint32_t position;
  uint32_t n_positions;
  uint32_t output;
};

template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats residual_of(const uint8_t* codes, uint64_t count,
                                                               const ConvEnd& end) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  uint8_t some[kLanes] = {};
  if (count < kLanes) {
    std::memcpy(some, codes, count);
    codes = some;
  }
  const typename Isa::Ints whole = Isa::widen(codes) - end.residual_zero;
  return __builtin_convertvector(whole, typename Isa::Floats) * end.residual_scale;
}

template <class Isa>
[[gnu::always_inline]] inline void put(const ConvEnd& end, typename Isa::Floats y, uint64_t at,
                                       uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if (end.codes == nullptr) {
    if (count >= kLanes) return store(end.out + at, y);
    std::memcpy(end.out + at, &y, count * sizeof(float));
    return;
  }
  const typename Isa::Ints code =
      Isa::round(Isa::cut(y * end.inverse, end.least, end.most)) + end.zero;
  if (count >= kLanes) return Isa::store_low_bytes(end.codes + at, code);
  uint8_t some[kLanes];
  Isa::store_low_bytes(some, code);
  std::memcpy(end.codes + at, some, count);
}

/// Scales, bias, residual, cut, codes. The kinds of a call are the same for all positions: branches on
/// them are foreseen.
template <class Isa, bool kIntegers>
[[gnu::noinline]] void finish(const ConvEnd& end, const Column& column) noexcept {
  using Floats = typename Isa::Floats;
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  const uint64_t left = end.n_outputs - column.output;
  const uint64_t count = left < kLanes ? left : kLanes;
  const bool has_bias = end.bias != nullptr;
  const Floats bias = has_bias ? load_some<Floats>(end.bias + column.output, count) : Floats{};
  const Floats scale = kIntegers ? load_some<Floats>(column.scales, count) : Floats{};
  const Floats x_scale = Isa::spread(column.x_scale);
  uint64_t at = column.row * end.row_stride + column.position * end.position_stride + column.output;
  uint64_t residual_at =
      column.row * end.residual_row_stride + column.position * end.position_stride + column.output;
  const auto* sums = static_cast<const char*>(column.sums);
  for (uint32_t position = 0; position < column.n_positions; ++position) {
    Floats y;
    if constexpr (kIntegers) {
      y = __builtin_convertvector(load<typename Isa::Ints>(sums), Floats) * scale;
      y = has_bias ? Isa::fma(y, x_scale, bias) : y * x_scale;
    } else {
      y = load<Floats>(sums);
      if (has_bias) y += bias;
    }
    if (end.residual != nullptr) y += load_some<Floats>(end.residual + residual_at, count);
    if (end.residual_codes != nullptr) {
      y += residual_of<Isa>(end.residual_codes + residual_at, count, end);
    }
    if (end.cut != 0) y = Isa::cut(y, end.low, end.high);
    put<Isa>(end, y, at, count);
    sums += column.sum_bytes;
    at += end.position_stride;
    residual_at += end.position_stride;
  }
}

}  // namespace
}  // namespace cordwood::kernels
