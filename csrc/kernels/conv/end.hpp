// Vectors of outputs, and how a tile of finished sums becomes an answer. `Isa` (avx2.hpp, avx512.hpp) has
//
//     kBytes, Ints, Floats                       // of its vectors
//     static Floats spread(float), fma(a, b, c), cut(y, low, high);
//     static Ints round(Floats), widen(const uint8_t* bytes);
//     static void store_low_bytes(uint8_t* to, Ints);
//
// and may have, where four vectors become bytes at once,
//
//     struct CodeEnd; explicit CodeEnd(const ConvEnd&);
//     static void store_codes(uint8_t* to, uint64_t step, uint32_t n, const Floats (&t)[4], const CodeEnd&);
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/lanes.hpp"

namespace cordwood::kernels {
namespace {

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

/// What the outputs of a column share. `end` and `column` are copies: what is stored cannot change them.
template <class Isa, bool kIntegers, Residual kResidual>
class Line {
 public:
  using Floats = typename Isa::Floats;

  [[gnu::always_inline]] Line(const ConvEnd& end, const Column& column, uint64_t count) noexcept
      : has_bias_(end.bias != nullptr || kResidual == Residual::codes) {
    if constexpr (kIntegers) {
      scale_ = load_some<Isa>(column.scales, count) * Isa::spread(column.x_scale);
    }
    if (end.bias != nullptr) bias_ = load_some<Isa>(end.bias + column.output, count);
    if constexpr (kResidual == Residual::codes) {
      bias_ -= Isa::spread(static_cast<float>(end.residual_zero) * end.residual_scale);
    }
  }

  /// y of one position, before the cut. Without a bias codes are added +0, which changes the sign of a
  /// zero at most: they do not show it.
  template <bool kCodes>
  [[nodiscard, gnu::always_inline]] Floats answer(const ConvEnd& end, const char* sum,
                                                  uint64_t residual_at,
                                                  uint64_t count) const noexcept {
    Floats y;
    if constexpr (kIntegers) {
      y = __builtin_convertvector(load<typename Isa::Ints>(sum), Floats);
      y = kCodes || has_bias_ ? Isa::fma(y, scale_, bias_) : y * scale_;
    } else {
      y = load<Floats>(sum);
      if (kCodes || has_bias_) y += bias_;
    }
    if constexpr (kResidual == Residual::floats) {
      y += load_some<Isa>(end.residual + residual_at, count);
    }
    if constexpr (kResidual == Residual::codes) {
      const auto code = widen_some<Isa>(end.residual_codes + residual_at, count);
      y = Isa::fma(__builtin_convertvector(code, Floats), Isa::spread(end.residual_scale), y);
    }
    return y;
  }

 private:
  Floats scale_{};
  Floats bias_{};
  bool has_bias_;
};

template <class Isa, bool kCodes>
[[gnu::always_inline]] inline void put(const ConvEnd& end, typename Isa::Floats y, uint64_t at,
                                       uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if constexpr (kCodes) {
    const typename Isa::Ints code =
        (Isa::round(Isa::cut(y * end.inverse, end.least, end.most)) + end.zero) ^
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

/// Scales, bias, residual, cut, codes for `count` outputs of the column.
template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::always_inline]] inline void finish_kind(const ConvEnd& given, const Column& given_column,
                                               uint64_t count) noexcept {
  const ConvEnd end = given;
  const Column column = given_column;
  const Line<Isa, kIntegers, kResidual> line(end, column, count);
  const uint64_t step = end.position_stride;
  uint64_t at = column.row * end.row_stride + column.position * step + column.output;
  uint64_t residual_at =
      column.row * end.residual_row_stride + column.position * step + column.output;
  const auto* sum = static_cast<const char*>(column.sums);
  for (uint32_t left = column.n_positions; left != 0; --left) {
    put<Isa, kCodes>(end, line.template answer<kCodes>(end, sum, residual_at, count), at, count);
    sum += column.sum_bytes;
    at += step;
    residual_at += step;
  }
}

/// Codes of whole vectors, four positions at once.
template <class Isa, bool kIntegers, Residual kResidual>
[[gnu::always_inline]] inline void finish_fours(const ConvEnd& given,
                                                const Column& given_column) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  const ConvEnd end = given;
  const Column column = given_column;
  const Line<Isa, kIntegers, kResidual> line(end, column, kLanes);
  const typename Isa::CodeEnd code_end(end);
  const uint64_t step = end.position_stride;
  uint64_t residual_at =
      column.row * end.residual_row_stride + column.position * step + column.output;
  uint8_t* to = end.codes + column.row * end.row_stride + column.position * step + column.output;
  const auto* sum = static_cast<const char*>(column.sums);
  typename Isa::Floats y[4];
  uint32_t left = column.n_positions;
  for (; left >= 4; left -= 4) {
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) {
      y[i] = line.template answer<true>(end, sum + i * column.sum_bytes, residual_at + i * step,
                                        kLanes);
    }
    Isa::store_codes(to, step, 4, y, code_end);
    sum += 4 * column.sum_bytes;
    to += 4 * step;
    residual_at += 4 * step;
  }
  if (left == 0) return;
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t own = i < left ? i : 0;  // what is not stored must be there to be read
    y[i] = line.template answer<true>(end, sum + own * column.sum_bytes, residual_at + own * step,
                                      kLanes);
  }
  Isa::store_codes(to, step, left, y, code_end);
}

template <class Isa, bool kIntegers, bool kCodes, Residual kResidual>
[[gnu::noinline]] void finish_whole(const ConvEnd& end, const Column& column) noexcept {
  if constexpr (kCodes && requires { typename Isa::CodeEnd; }) {
    finish_fours<Isa, kIntegers, kResidual>(end, column);
  } else {
    finish_kind<Isa, kIntegers, kCodes, kResidual>(end, column, Isa::kBytes / 4);
  }
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
