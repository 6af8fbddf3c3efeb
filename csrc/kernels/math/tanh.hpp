// tanh, the logistic function, and what nets make of them, over the lanes of a row.
//
// Each is one exponential of a negative number and one division, so that nothing overflows:
//
//   tanh(x) = -e / (2 + e),  e = exp(-2 |x|) - 1        sigmoid(x) = 1 / (1 + e) or e / (1 + e),  e = exp(-|x|)
//
// The names that end in _over give x times a function; at -infinity they are -0, the limit.
#pragma once

#include "kernels/math/erf.hpp"
#include "kernels/math/log.hpp"

namespace cordwood::kernels::math {
namespace {

/// Within 4 units in the last place, NaN of any payload where x is NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float tanh_within(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float size = L::min(L::all(20.0f), L::abs(x));
  const Float e = expm1_within<L>(L::mul(L::all(-2.0f), size));
  return L::with_sign(L::abs(L::div(e, L::add(L::all(2.0f), e))), x);
}

template <class L>
[[gnu::always_inline]] inline typename L::Float tanh(typename L::Float x) noexcept {
  return keep_nan<L>(x, tanh_within<L>(x));
}

/// Within 4 units in the last place, denormals too.
template <class L>
[[gnu::always_inline]] inline typename L::Float sigmoid(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float one = L::all(1.0f);
  const Float e = exp_within<L>(L::max(L::all(-104.0f), L::negate(L::abs(x))));
  const Float above = L::where(L::less(x, L::all(0.0f)), e, one);
  return keep_nan<L>(x, L::div(above, L::add(one, e)));
}

/// log(1 + exp(x)), within 4 units in the last place.
template <class L>
[[gnu::always_inline]] inline typename L::Float softplus(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float e = exp_within<L>(L::max(L::all(-104.0f), L::negate(L::abs(x))));
  const Float tail = L::where(L::less(e, L::all(0x1p-25f)), e, log1p_within<L>(e));
  return keep_nan<L>(x, L::add(L::max(L::all(0.0f), x), tail));
}

/// x / (1 + exp(-scaled)): from -104 down the quotient is -0.
template <class L>
[[gnu::always_inline]] inline typename L::Float logistic_over(typename L::Float x,
                                                              typename L::Float scaled) noexcept {
  using Float = typename L::Float;
  const Float end = L::all(104.0f);
  const Float within = L::min(end, L::max(L::negate(end), scaled));
  const Float e = exp_within<L>(L::negate(within));
  const Float finite = L::max(L::all(-__FLT_MAX__), x);
  return keep_nan<L>(x, L::div(finite, L::add(L::all(1.0f), e)));
}

template <class L>
[[gnu::always_inline]] inline typename L::Float silu(typename L::Float x) noexcept {
  return logistic_over<L>(x, x);
}

/// x Phi(x).
template <class L>
[[gnu::always_inline]] inline typename L::Float gelu(typename L::Float x) noexcept {
  const typename L::Float finite = L::max(L::all(-__FLT_MAX__), x);
  return keep_nan<L>(x, L::mul(finite, normal_distribution<L>(x)));
}

/// x (1 + tanh(u)) / 2 = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class L>
[[gnu::always_inline]] inline typename L::Float gelu_tanh(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float slope = L::fma(L::mul(x, x), L::all(kGeluTanhCube), L::all(kGeluTanhSlope));
  return logistic_over<L>(x, L::mul(x, slope));
}

/// x tanh(softplus(x)) = x n / (n + 2), n = e (e + 2), e = exp(x).
template <class L>
[[gnu::always_inline]] inline typename L::Float mish(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float two = L::all(2.0f);
  const Float e = exp_within<L>(L::min(L::all(40.0f), L::max(L::all(-104.0f), x)));
  const Float n = L::mul(e, L::add(e, two));
  const Float finite = L::max(L::all(-__FLT_MAX__), x);
  return keep_nan<L>(x, L::mul(finite, L::div(n, L::add(n, two))));
}

}  // namespace
}  // namespace cordwood::kernels::math
