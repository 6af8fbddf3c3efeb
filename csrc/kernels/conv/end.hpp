// Vectors of outputs, and how a tile of finished sums becomes an answer. `Isa` (avx2.hpp, avx512.hpp) has
//
//     kBytes, Ints, Floats                       // of its vectors
//     static Floats spread(float), fma(a, b, c);
//     static Floats cut(y, low, high), where NaN stays, and within(y, low, high), where it is low;
//     static Ints round(Floats), widen(const uint8_t* bytes);
//     static void store_low_bytes(uint8_t* to, Ints);
//
// and may have, where four vectors become bytes at once,
//
//     struct CodeEnd; explicit CodeEnd(const ConvEnd&);
//     static void store_codes(uint8_t* to, uint64_t step, uint32_t n, const Floats (&y)[4], const CodeEnd&);
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>

#include "kernels/conv/answer.hpp"
#include "kernels/conv/conv.hpp"
#include "kernels/conv/lanes.hpp"

namespace cordwood::kernels {
namespace {

template <class Isa, bool kCodes>
[[gnu::always_inline]] inline void put(const ConvEnd& end, typename Isa::Floats y, uint64_t at,
                                       uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if constexpr (kCodes) {
    const typename Isa::Ints code =
        (Isa::round(Isa::within(y * end.inverse, end.least, end.most)) + end.zero) ^
        static_cast<int32_t>(end.flip);
    if (count >= kLanes) return Isa::store_low_bytes(end.codes + at, code);
    uint8_t some[kLanes];
    Isa::store_low_bytes(some, code);
    copy_some(end.codes + at, some, count);
  } else {
    if (end.cut != 0) y = Isa::cut(y, end.low, end.high);
    if (count >= kLanes) return store(end.out + at, y);
    copy_some(end.out + at, &y, count * sizeof(float));
  }
}

/// Scales, bias, residual, cut, codes for `count` outputs of one column, or for whole columns.
template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::always_inline]] inline void finish_kind(const ConvEnd& given, const Columns& given_columns,
                                               uint64_t count) noexcept {
  constexpr uint32_t kLanes = Isa::kBytes / 4;
  // Copies: what is stored cannot change them.
  const ConvEnd end = given;
  const Columns columns = given_columns;
  const uint64_t step = end.position_stride;
  const uint64_t within = columns.position * step + columns.output;
  for (uint32_t first = 0; first == 0 || first < columns.n_whole * kLanes; first += kLanes) {
    const Line<Isa, kIntegers, kResidual> line(end, columns, first, count);
    uint64_t at = columns.row * end.row_stride + within + first;
    uint64_t residual_at = columns.row * end.residual_row_stride + within + first;
    const auto* sum = static_cast<const char*>(columns.sums) + first * sizeof(float);
    for (uint32_t left = columns.n_positions; left != 0; --left) {
      put<Isa, kCodes>(end, line.template answer<kCodes>(end, sum, residual_at, count), at, count);
      sum += columns.sum_bytes;
      at += step;
      residual_at += step;
    }
  }
}

/// Codes of whole columns, four positions at once.
template <class Isa, bool kIntegers, Residual kResidual>
[[gnu::always_inline]] inline void finish_fours(const ConvEnd& given,
                                                const Columns& given_columns) noexcept {
  constexpr uint32_t kLanes = Isa::kBytes / 4;
  const ConvEnd end = given;
  const Columns columns = given_columns;
  const typename Isa::CodeEnd code_end(end);
  const uint64_t step = end.position_stride;
  const uint64_t within = columns.position * step + columns.output;
  for (uint32_t first = 0; first < columns.n_whole * kLanes; first += kLanes) {
    const Line<Isa, kIntegers, kResidual> line(end, columns, first, kLanes);
    uint64_t residual_at = columns.row * end.residual_row_stride + within + first;
    uint8_t* to = end.codes + columns.row * end.row_stride + within + first;
    const auto* sum = static_cast<const char*>(columns.sums) + first * sizeof(float);
    typename Isa::Floats y[4];
    uint32_t left = columns.n_positions;
    for (; left >= 4; left -= 4) {
#pragma GCC unroll 4
      for (uint32_t i = 0; i < 4; ++i) {
        y[i] = line.template answer<true>(end, sum + i * columns.sum_bytes, residual_at + i * step,
                                          kLanes);
      }
      Isa::store_codes(to, step, 4, y, code_end);
      sum += 4 * columns.sum_bytes;
      to += 4 * step;
      residual_at += 4 * step;
    }
    if (left == 0) continue;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t own = i < left ? i : 0;  // what is not stored must be there to be read
      y[i] = line.template answer<true>(end, sum + own * columns.sum_bytes,
                                        residual_at + own * step, kLanes);
    }
    Isa::store_codes(to, step, left, y, code_end);
  }
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::noinline]] void finish_whole(const ConvEnd& end, const Columns& columns) noexcept {
  if constexpr (kCodes && requires { typename Isa::CodeEnd; }) {
    finish_fours<Isa, kIntegers, kResidual>(end, columns);
  } else {
    finish_kind<Isa, kIntegers, kCodes, kResidual>(end, columns, Isa::kBytes / 4);
  }
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::noinline]] void finish_some(const ConvEnd& end, const Columns& columns) noexcept {
  finish_kind<Isa, kIntegers, kCodes, kResidual>(end, columns, end.n_outputs - columns.output);
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::always_inline]] inline void finish_residual(const ConvEnd& end,
                                                   const Columns& columns) noexcept {
  if (columns.n_whole != 0) {
    return finish_whole<Isa, kIntegers, kCodes, kResidual>(end, columns);
  }
  finish_some<Isa, kIntegers, kCodes, kResidual>(end, columns);
}

template <class Isa, bool kIntegers, bool kCodes>
[[gnu::always_inline]] inline void finish_codes(const ConvEnd& end,
                                                const Columns& columns) noexcept {
  if (end.residual_codes != nullptr) {
    return finish_residual<Isa, kIntegers, kCodes, Residual::codes>(end, columns);
  }
  if (end.residual != nullptr) {
    return finish_residual<Isa, kIntegers, kCodes, Residual::floats>(end, columns);
  }
  finish_residual<Isa, kIntegers, kCodes, Residual::none>(end, columns);
}

template <class Isa, bool kIntegers>
[[gnu::always_inline]] inline void finish(const ConvEnd& end, const Columns& columns) noexcept {
  if (end.codes != nullptr) return finish_codes<Isa, kIntegers, true>(end, columns);
  finish_codes<Isa, kIntegers, false>(end, columns);
}

}  // namespace
}  // namespace cordwood::kernels
