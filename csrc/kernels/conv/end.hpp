// Vectors of outputs, and how a tile of finished sums becomes an answer. `Isa` (avx2.hpp, avx512.hpp) has
//
//     kBytes, Ints, Floats                       // of its vectors
//     static Floats spread(float), fma(a, b, c);
//     static Floats cut(y, low, high), where NaN stays, and within(y, low, high), where it is low;
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

/// Fewer than 64 bytes, by powers of two: a call of memcpy for each position would take longer than the
/// ending around it.
[[gnu::always_inline]] inline void copy_some(void* to, const void* from, uint64_t bytes) noexcept {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
#pragma GCC unroll 6
  for (uint64_t part = 32; part != 0; part /= 2) {
    if ((bytes & part) == 0) continue;
    __builtin_memcpy(target, source, part);
    target += part;
    source += part;
  }
}

/// Up to `count` floats; the rest is zero.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats load_some(const float* from,
                                                             uint64_t count) noexcept {
  using Floats = typename Isa::Floats;
  if (count >= Isa::kBytes / 4) return load<Floats>(from);
  if constexpr (requires { Isa::some_floats(from, count); }) {
    return Isa::some_floats(from, count);
  } else {
    Floats some{};
    copy_some(&some, from, count * sizeof(float));
    return some;
  }
}

template <class Isa>
[[gnu::always_inline]] inline typename Isa::Ints load_some(const int32_t* from,
                                                           uint64_t count) noexcept {
  return reinterpret_cast<typename Isa::Ints>(
      load_some<Isa>(reinterpret_cast<const float*>(from), count));
}

/// Up to `count` bytes as numbers; the rest is zero.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Ints widen_some(const uint8_t* from,
                                                            uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if (count >= kLanes) return Isa::widen(from);
  if constexpr (requires { Isa::widen_some(from, count); }) {
    return Isa::widen_some(from, count);
  } else {
    uint8_t some[kLanes] = {};
    copy_some(some, from, count);
    return Isa::widen(some);
  }
}

/// Finished sums of `n_positions` of a row by one vector of outputs, and where they belong.
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

enum class Residual { none, floats, codes };

template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats residual_of(const uint8_t* codes, uint64_t count,
                                                               const ConvEnd& end) noexcept {
  const typename Isa::Ints whole = widen_some<Isa>(codes, count) - end.residual_zero;
  return __builtin_convertvector(whole, typename Isa::Floats) * end.residual_scale;
}

template <class Isa, bool kCodes>
[[gnu::always_inline]] inline void put(const ConvEnd& end, typename Isa::Floats y, uint64_t at,
                                       uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if constexpr (kCodes) {
    const typename Isa::Ints code =
        Isa::round(Isa::within(y * end.inverse, end.least, end.most)) + end.zero;
    if (count >= kLanes) return Isa::store_low_bytes(end.codes + at, code);
    uint8_t some[kLanes];
    Isa::store_low_bytes(some, code);
    copy_some(end.codes + at, some, count);
  } else {
    if (count >= kLanes) return store(end.out + at, y);
    copy_some(end.out + at, &y, count * sizeof(float));
  }
}

/// Scales, bias, residual, cut, codes for `count` outputs of the column. Without a bias +0 is added, which
/// changes the sign of a zero at most: only codes do not show it.
template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::always_inline]] inline void finish_kind(const ConvEnd& given, const Column& given_column,
                                               uint64_t count) noexcept {
  using Floats = typename Isa::Floats;
  // Copies: what is stored cannot change them.
  const ConvEnd end = given;
  const Column column = given_column;
  const bool has_bias = end.bias != nullptr;
  const Floats bias = has_bias ? load_some<Isa>(end.bias + column.output, count) : Floats{};
  const Floats scale = kIntegers ? load_some<Isa>(column.scales, count) : Floats{};
  const Floats x_scale = Isa::spread(column.x_scale);
  const uint64_t step = end.position_stride;
  uint64_t at = column.row * end.row_stride + column.position * step + column.output;
  uint64_t residual_at =
      column.row * end.residual_row_stride + column.position * step + column.output;
  const auto* sum = static_cast<const char*>(column.sums);
  for (uint32_t left = column.n_positions; left != 0; --left) {
    Floats y;
    if constexpr (kIntegers) {
      y = __builtin_convertvector(load<typename Isa::Ints>(sum), Floats) * scale;
      y = kCodes || has_bias ? Isa::fma(y, x_scale, bias) : y * x_scale;
    } else {
      y = load<Floats>(sum);
      if (kCodes || has_bias) y += bias;
    }
    if constexpr (kResidual == Residual::floats) {
      y += load_some<Isa>(end.residual + residual_at, count);
    }
    if constexpr (kResidual == Residual::codes) {
      y += residual_of<Isa>(end.residual_codes + residual_at, count, end);
    }
    if constexpr (!kCodes) {
      if (end.cut != 0) y = Isa::cut(y, end.low, end.high);
    }
    put<Isa, kCodes>(end, y, at, count);
    sum += column.sum_bytes;
    at += step;
    residual_at += step;
  }
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::noinline]] void finish_whole(const ConvEnd& end, const Column& column) noexcept {
  finish_kind<Isa, kIntegers, kCodes, kResidual>(end, column, Isa::kBytes / 4);
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::noinline]] void finish_some(const ConvEnd& end, const Column& column) noexcept {
  finish_kind<Isa, kIntegers, kCodes, kResidual>(end, column, end.n_outputs - column.output);
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::always_inline]] inline void finish_residual(const ConvEnd& end,
                                                   const Column& column) noexcept {
  if (end.n_outputs - column.output >= Isa::kBytes / 4) {
    return finish_whole<Isa, kIntegers, kCodes, kResidual>(end, column);
  }
  finish_some<Isa, kIntegers, kCodes, kResidual>(end, column);
}

template <class Isa, bool kIntegers, bool kCodes>
[[gnu::always_inline]] inline void finish_codes(const ConvEnd& end, const Column& column) noexcept {
  if (end.residual_codes != nullptr) {
    return finish_residual<Isa, kIntegers, kCodes, Residual::codes>(end, column);
  }
  if (end.residual != nullptr) {
    return finish_residual<Isa, kIntegers, kCodes, Residual::floats>(end, column);
  }
  finish_residual<Isa, kIntegers, kCodes, Residual::none>(end, column);
}

template <class Isa, bool kIntegers>
[[gnu::always_inline]] inline void finish(const ConvEnd& end, const Column& column) noexcept {
  if (end.codes != nullptr) return finish_codes<Isa, kIntegers, true>(end, column);
  finish_codes<Isa, kIntegers, false>(end, column);
}

}  // namespace
}  // namespace cordwood::kernels
