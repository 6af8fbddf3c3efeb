// sin and cos over the lanes of a row.
//
//   x = n pi / 2 + r;  n mod 4 chooses between sin(r) and cos(r) and the sign
//
// pi / 2 comes in three parts and each step is fused. Within 2^-23 for |x| up to 2^20; from there on r is
// cut to +-1, so that answers stay between -1 and 1 and are the same everywhere. NaN at infinity.
#pragma once

#include "kernels/math/exp.hpp"

namespace cordwood::kernels::math {
namespace {

/// sin(x + turn pi / 2).
template <class L>
[[gnu::always_inline]] inline typename L::Float sin_turned(typename L::Float x,
                                                           float turn) noexcept {
  using Float = typename L::Float;
  const Float n = L::round_even(L::mul(x, L::all(kTwoOverPi)));
  Float r = L::fma(n, L::all(-kHalfPi1), x);
  r = L::fma(n, L::all(-kHalfPi2), r);
  r = L::fma(n, L::all(-kHalfPi3), r);
  r = L::min(L::all(1.0f), L::max(L::all(-1.0f), r));

  // Quarters of a turn, 0 to 3: exact, whatever the size of n.
  const Float turned = L::sub(n, L::mul(L::all(4.0f), L::floor(L::mul(n, L::all(0.25f)))));
  const Float sum = L::add(turned, L::all(turn));
  const Float quarter = L::where(L::less(sum, L::all(4.0f)), sum, L::sub(sum, L::all(4.0f)));

  const Float r2 = L::mul(r, r);
  const Float sine = L::fma(L::mul(polynomial<L>(kSin, r2), r2), r, r);
  Float cosine = L::fma(polynomial<L>(kCos, r2), r2, L::all(-0.5f));
  cosine = L::fma(cosine, r2, L::all(1.0f));
  const auto odd = L::where(L::equal(quarter, L::all(1.0f)), L::all(1.0f),
                            L::where(L::equal(quarter, L::all(3.0f)), L::all(1.0f), L::all(0.0f)));
  Float y = L::where(L::equal(odd, L::all(1.0f)), cosine, sine);
  y = L::where(L::less(quarter, L::all(2.0f)), y, L::negate(y));
  y = L::where(L::equal(L::abs(x), L::all(__builtin_inff())), nan_of<L>(), y);
  return keep_nan<L>(x, y);
}

template <class L>
[[gnu::always_inline]] inline typename L::Float sin(typename L::Float x) noexcept {
  return sin_turned<L>(x, 0.0f);
}

template <class L>
[[gnu::always_inline]] inline typename L::Float cos(typename L::Float x) noexcept {
  return sin_turned<L>(x, 1.0f);
}

}  // namespace
}  // namespace cordwood::kernels::math
