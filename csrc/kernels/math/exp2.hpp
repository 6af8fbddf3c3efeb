// 2^x over the lanes of a row: one order of operations, the same bits on each of them.
//
//   x = n + f,  |f| <= 1/2,  2^x = 2^n (1 + f Q(f))
//
// n comes from adding and taking away 1.5 * 2^23, and f is exact: twelve instructions a vector on
// AVX-512, five of them on the two ports that multiply, where exp takes nineteen. Within 2 units in the
// last place.
#pragma once

#include "kernels/math/exp.hpp"

namespace cordwood::kernels::math {
namespace {

/// 2^x of x from -252 to 126, and a NaN of any payload where x is NaN.
template <class L>
[[gnu::always_inline]] inline typename L::Float exp2_within(typename L::Float x) noexcept {
  const typename L::Float n = L::sub(L::add(x, L::all(kRounder)), L::all(kRounder));
  const typename L::Float f = L::sub(x, n);
  return L::scale(L::fma(polynomial<L>(kExp2, f), f, L::all(1.0f)), n);
}

}  // namespace
}  // namespace cordwood::kernels::math
