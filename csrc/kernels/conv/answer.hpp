// From finished sums to an answer's numbers: scales, bias, residual. `Isa` is that of end.hpp.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/lanes.hpp"

namespace cordwood::kernels {
namespace {

/// Finished sums of `n_positions` of a row by neighbouring vectors of outputs, and where they belong.
struct Columns {
  const void* sums;     ///< floats, or integers to be scaled
  uint64_t sum_bytes;   ///< from position to position
  const float* scales;  ///< of these outputs; null for floats
  float x_scale;
  uint32_t row;
  uint32_t position;
  uint32_t n_positions;
  uint32_t output;
  uint32_t n_whole;  ///< vectors; 0 for a single one that is not full
};

enum class Residual { none, floats, codes };

/// What a column, one vector of outputs, has in all its positions.
template <class Isa, bool kIntegers, Residual kResidual>
class Line {
 public:
  using Floats = typename Isa::Floats;

  [[gnu::always_inline]] Line(const ConvEnd& end, const Columns& columns, uint32_t first,
                              uint64_t count) noexcept
      : has_bias_(end.bias != nullptr || kResidual == Residual::codes) {
    if constexpr (kIntegers) {
      scale_ = load_some<Isa>(columns.scales + first, count) * Isa::spread(columns.x_scale);
    }
    if (end.bias != nullptr) bias_ = load_some<Isa>(end.bias + columns.output + first, count);
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

}  // namespace
}  // namespace cordwood::kernels
