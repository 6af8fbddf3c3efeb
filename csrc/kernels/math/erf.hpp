// erf, and the distribution function of the normal law, over the lanes of a row.
//
//   erf(z) = z + z P(z^2)                near 0
//          = 1 - exp(Q(|z| - middle))    further out, with the sign of z
//
// gelu needs Phi with a small absolute error only, which one polynomial in x^2 gives: 15 terms, no
// exponential and no division.
#pragma once

#include "kernels/math/exp.hpp"

namespace cordwood::kernels::math {
namespace {

/// Within 2 units in the last place.
template <class L>
[[gnu::always_inline]] inline typename L::Float erf(typename L::Float z) noexcept {
  using Float = typename L::Float;
  const Float size = L::abs(z);
  const Float near = L::fma(polynomial<L>(kErf, L::mul(z, z)), z, z);
  const Float beyond = L::sub(L::min(L::all(kErfEnd), size), L::all(kErfMiddle));
  const Float rest = exp_within<L>(polynomial<L>(kErfc, beyond));
  const Float far = L::with_sign(L::sub(L::all(1.0f), rest), z);
  return keep_nan<L>(z, L::where(L::less(size, L::all(kErfMiddle)), near, far));
}

/// Phi(x) to 2^-22, exactly 0 and 1 beyond kGeluEnd; NaN of any payload where x is NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float normal_distribution(typename L::Float x) noexcept {
  using Float = typename L::Float;
  const Float end = L::all(kGeluEnd);
  const Float within = L::min(end, L::max(L::negate(end), x));
  const Float w = L::fma(L::mul(within, within), L::all(kGeluScale), L::all(-1.0f));
  return L::max(L::all(0.0f), L::fma(within, polynomial<L>(kGelu, w), L::all(0.5f)));
}

}  // namespace
}  // namespace cordwood::kernels::math
