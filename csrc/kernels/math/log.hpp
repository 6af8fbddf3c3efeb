// log and log1p over the lanes of a row.
//
//   x = m 2^e,  m from sqrt(1/2) to sqrt(2),  f = m - 1,  log(x) = e log(2) + f - f^2 / 2 + f^3 P(f)
//
// Denormals are multiplied by 2^23 first. log1p rounds 1 + x, takes the logarithm of that, and gives
// f what the rounding took: where e is 0, f is x itself. Both within 2 units in the last place.
#pragma once

#include "kernels/math/exp.hpp"

namespace cordwood::kernels::math {
namespace {

/// e log(2) + log(1 + f).
template <class L>
[[gnu::always_inline]] inline typename L::Float log_of_parts(typename L::Float f,
                                                             typename L::Float e) noexcept {
  using Float = typename L::Float;
  const Float f2 = L::mul(f, f);
  Float y = L::mul(L::mul(polynomial<L>(kLog, f), f), f2);
  y = L::fma(e, L::all(kLog2Low), y);
  y = L::fma(L::all(-0.5f), f2, y);
  return L::fma(e, L::all(kLog2High), L::add(f, y));
}

/// y, but -infinity at 0, NaN below, and x itself where it is infinity or NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float log_ends(typename L::Float x,
                                                         typename L::Float y) noexcept {
  const typename L::Float infinity = L::all(__builtin_inff());
  y = L::where(L::equal(x, infinity), infinity, y);
  y = L::where(L::equal(x, L::all(0.0f)), L::negate(infinity), y);
  y = L::where(L::less(x, L::all(0.0f)), nan_of<L>(), y);
  return keep_nan<L>(x, y);
}

template <class L>
[[gnu::always_inline]] inline typename L::Float log(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const typename L::Mask small = L::less(x, L::all(0x1p-126f));
  Float m, e;
  L::split(L::where(small, L::mul(x, L::all(0x1p23f)), x), m, e);
  e = L::where(small, L::sub(e, L::all(23.0f)), e);
  return log_ends<L>(x, log_of_parts<L>(L::sub(m, L::all(1.0f)), e));
}

/// log1p of x above -1 and below infinity, without its care for tiny x.
template <class L>
[[gnu::always_inline]] inline typename L::Float log1p_within(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float one = L::all(1.0f);
  const Float u = L::add(one, x);
  // What u lacks; exact, because the larger of the two terms is taken away first.
  const Float lost =
      L::where(L::less(x, one), L::sub(x, L::sub(u, one)), L::sub(one, L::sub(u, x)));
  Float m, e;
  L::split(u, m, e);
  const Float f = L::fma(lost, L::scale(one, L::negate(e)), L::sub(m, one));
  return log_of_parts<L>(f, e);
}

/// log(1 + x); x itself where |x| < 2^-25, with its sign.
template <class L>
[[gnu::always_inline]] inline typename L::Float log1p(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float y = log_ends<L>(L::add(L::all(1.0f), x), log1p_within<L>(x));
  return keep_nan<L>(x, L::where(L::less(L::abs(x), L::all(0x1p-25f)), x, y));
}

}  // namespace
}  // namespace cordwood::kernels::math
