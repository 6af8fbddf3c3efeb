// exp and expm1 over the lanes of a row: one order of operations, the same bits on each of them.
//
//   x = n log(2) + r,  |r| <= log(2) / 2,  exp(x) = 2^n (1 + r + r^2 P(r))
//
// n comes from adding and taking away 1.5 * 2^23. Nineteen instructions a vector on AVX-512, most of
// them on the two ports that multiply; both are within 2 units in the last place, exp within 1.1.
#pragma once

#include "kernels/math/polynomials.hpp"

namespace cordwood::kernels::math {
namespace {

/// Added to a float below 2^22 it leaves the nearest whole number, half to even.
constexpr float kRounder = 0x1.8p23f;

/// c[first] + c[first + 1] x + ... by Horner's rule, fused.
template <class L, unsigned kCount>
[[gnu::always_inline]] inline typename L::Float polynomial(const float (&c)[kCount],
                                                           typename L::Float x) noexcept {
  typename L::Float sum = L::all(c[kCount - 1]);
#pragma GCC unroll 16
  for (unsigned i = 1; i < kCount; ++i) sum = L::fma(sum, x, L::all(c[kCount - 1 - i]));
  return sum;
}

/// The one NaN that results have: quiet, its sign clear, no payload.
template <class L>
[[gnu::always_inline]] inline typename L::Float nan_of() noexcept {
  return L::all(__builtin_nanf(""));
}

/// y, or the NaN of results where x is any NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float keep_nan(typename L::Float x,
                                                         typename L::Float y) noexcept {
  return L::where(L::is_nan(x), nan_of<L>(), y);
}

/// n and exp(r) - 1 of x = n log(2) + r; |x| at most 2^22.
template <class L>
[[gnu::always_inline]] inline typename L::Float reduce_exp(typename L::Float x,
                                                           typename L::Float& n) noexcept {
  n = L::sub(L::fma(x, L::all(kLog2e), L::all(kRounder)), L::all(kRounder));
  typename L::Float r = L::fma(n, L::all(-kLog2High), x);
  r = L::fma(n, L::all(-kLog2Low), r);
  return L::fma(polynomial<L>(kExp, r), L::mul(r, r), r);
}

/// exp of x from -170 to 170, and a NaN of any payload where x is NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float exp_within(typename L::Float x) noexcept {
  typename L::Float n;
  const typename L::Float p = reduce_exp<L>(x, n);
  return L::scale(L::add(L::all(1.0f), p), n);
}

/// exp(x): 0 below -103.98, infinity above 88.73, both by rounding.
template <class L>
[[gnu::always_inline]] inline typename L::Float exp(typename L::Float x) noexcept {
  const typename L::Float end = L::all(104.0f);
  return keep_nan<L>(x, exp_within<L>(L::min(end, L::max(L::negate(end), x))));
}

/// exp(x) - 1 of x from -40 to 89, without its care for tiny x and NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float expm1_within(typename L::Float x) noexcept {
  typename L::Float n;
  const typename L::Float p = reduce_exp<L>(x, n);
  // Half of it: 2^127 is finite where 2^128 is not.
  const typename L::Float half_power = L::scale(L::all(0.5f), n);
  const typename L::Float half = L::fma(p, half_power, L::sub(half_power, L::all(0.5f)));
  return L::add(half, half);
}

/// exp(x) - 1; x itself where |x| < 2^-25, with its sign.
template <class L>
[[gnu::always_inline]] inline typename L::Float expm1(typename L::Float x) noexcept {
  const typename L::Float within = L::min(L::all(89.0f), L::max(L::all(-40.0f), x));
  const typename L::Float y = expm1_within<L>(within);
  return keep_nan<L>(x, L::where(L::less(L::abs(x), L::all(0x1p-25f)), x, y));
}

}  // namespace
}  // namespace cordwood::kernels::math
