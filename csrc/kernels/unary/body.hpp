// unary over the lanes of a row: one loop for each kind. Internal linkage, as all of kernels/math.
#pragma once

#include "format/net_operators.h"
#include "kernels/math/each.hpp"
#include "kernels/math/tanh.hpp"
#include "kernels/math/trig.hpp"
#include "kernels/unary/unary.hpp"

namespace cordwood::kernels {
namespace {

/// 1, -1, or 0 for a zero of either sign.
template <class L>
typename L::Float sign_of(typename L::Float x) noexcept {
  const auto zero = L::all(0.0f);
  const auto above = L::where(L::less(zero, x), L::all(1.0f), zero);
  return L::where(L::less(x, zero), L::all(-1.0f), above);
}

/// Kinds that round once, or twice for rsqrt; the NaN of a result is the one NaN.
template <class L>
void unary_simple(const UnaryTask& task) noexcept {
  using Float = typename L::Float;
  const auto run = [&task](auto function) {
    math::each<L>(task.x, task.out, task.n, [function](Float x) {
      const Float y = function(x);
      return math::keep_nan<L>(y, y);
    });
  };
  switch (task.kind) {
    case CORDWOOD_UNARY_NEGATIVE:
      return run([](Float x) { return L::negate(x); });
    case CORDWOOD_UNARY_ABSOLUTE:
      return run([](Float x) { return L::abs(x); });
    case CORDWOOD_UNARY_SIGN:
      return run([](Float x) { return math::keep_nan<L>(x, sign_of<L>(x)); });
    case CORDWOOD_UNARY_FLOOR:
      return run([](Float x) { return L::floor(x); });
    case CORDWOOD_UNARY_CEIL:
      return run([](Float x) { return L::ceil(x); });
    case CORDWOOD_UNARY_ROUND:
      return run([](Float x) { return L::round_even(x); });
    case CORDWOOD_UNARY_TRUNCATE:
      return run([](Float x) { return L::truncate(x); });
    case CORDWOOD_UNARY_SQRT:
      return run([](Float x) { return L::sqrt(x); });
    case CORDWOOD_UNARY_RECIPROCAL:
      return run([](Float x) { return L::div(L::all(1.0f), x); });
    case CORDWOOD_UNARY_SQUARE:
      return run([](Float x) { return L::mul(x, x); });
    default:
      return run([](Float x) { return L::div(L::all(1.0f), L::sqrt(x)); });
  }
}

template <class L>
void unary(const UnaryTask& task) noexcept {
  using Float = typename L::Float;
  const auto run = [&task](auto function) { math::each<L>(task.x, task.out, task.n, function); };
  switch (task.kind) {
    case CORDWOOD_UNARY_EXP:
      return run([](Float x) { return math::exp<L>(x); });
    case CORDWOOD_UNARY_EXPM1:
      return run([](Float x) { return math::expm1<L>(x); });
    case CORDWOOD_UNARY_LOG:
      return run([](Float x) { return math::log<L>(x); });
    case CORDWOOD_UNARY_LOG1P:
      return run([](Float x) { return math::log1p<L>(x); });
    case CORDWOOD_UNARY_ERF:
      return run([](Float x) { return math::erf<L>(x); });
    case CORDWOOD_UNARY_SIN:
      return run([](Float x) { return math::sin<L>(x); });
    case CORDWOOD_UNARY_COS:
      return run([](Float x) { return math::cos<L>(x); });
    default:
      return unary_simple<L>(task);
  }
}

}  // namespace
}  // namespace cordwood::kernels
