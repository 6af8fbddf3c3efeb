// activate over the lanes of a row: one loop for each kind. Internal linkage, as all of kernels/math.
#pragma once

#include "format/net_operators.h"
#include "kernels/activate/activate.hpp"
#include "kernels/math/each.hpp"
#include "kernels/math/tanh.hpp"

namespace cordwood::kernels {
namespace {

/// -infinity as the lowest finite number: what it is multiplied by is 0, and the limit -0.
template <class L>
typename L::Float finite_below(typename L::Float x) noexcept {
  return L::max(L::all(-__FLT_MAX__), x);
}

/// Brought between `low` and `high` as products cut their answers: a zero becomes a bound of zero. NaN
/// stays.
template <class L>
typename L::Float clip(typename L::Float x, float low, float high) noexcept {
  return math::keep_nan<L>(x, L::min(L::max(x, L::all(low)), L::all(high)));
}

template <class L>
typename L::Float hard_sigmoid(typename L::Float x, float alpha, float beta) noexcept {
  return clip<L>(L::fma(x, L::all(alpha), L::all(beta)), 0.0f, 1.0f);
}

/// `below` where x is below 0, else `above`.
template <class L>
typename L::Float by_sign(typename L::Float x, typename L::Float below,
                          typename L::Float above) noexcept {
  return math::keep_nan<L>(x, L::where(L::less(x, L::all(0.0f)), below, above));
}

template <class L>
void prelu(const ActivateTask& task) noexcept {
  for (uint64_t at = 0; at < task.n; at += L::kLanes) {
    const uint64_t count = task.n - at;
    const auto x = math::load_part<L>(task.x + at, count, 0.0f);
    const auto slope = math::load_part<L>(task.slopes + at, count, 0.0f);
    math::store_part<L>(task.out + at, count, by_sign<L>(x, L::mul(slope, x), x));
  }
}

/// Kinds that are arithmetic alone.
template <class L>
void activate_simple(const ActivateTask& task) noexcept {
  using Float = typename L::Float;
  const float alpha = task.alpha;
  const float beta = task.beta;
  const auto run = [&task](auto function) { math::each<L>(task.x, task.out, task.n, function); };
  switch (task.kind) {
    case CORDWOOD_ACTIVATION_RELU:
      return run([](Float x) { return math::keep_nan<L>(x, L::max(x, L::all(0.0f))); });
    case CORDWOOD_ACTIVATION_LEAKY_RELU:
    case CORDWOOD_ACTIVATION_PRELU:
      return run([=](Float x) { return by_sign<L>(x, L::mul(L::all(alpha), x), x); });
    case CORDWOOD_ACTIVATION_HARD_SIGMOID:
      return run([=](Float x) { return hard_sigmoid<L>(x, alpha, beta); });
    case CORDWOOD_ACTIVATION_HARD_SWISH:
      return run([=](Float x) {
        const Float factor = hard_sigmoid<L>(x, alpha, beta);
        return math::keep_nan<L>(x, L::mul(finite_below<L>(x), factor));
      });
    default:
      return run([=](Float x) { return clip<L>(x, alpha, beta); });
  }
}

/// Kinds with an exponential below zero.
template <class L>
void activate_linear_units(const ActivateTask& task) noexcept {
  using Float = typename L::Float;
  const float alpha = task.alpha;
  const auto run = [&task](auto function) { math::each<L>(task.x, task.out, task.n, function); };
  switch (task.kind) {
    case CORDWOOD_ACTIVATION_ELU:
      return run(
          [=](Float x) { return by_sign<L>(x, L::mul(L::all(alpha), math::expm1<L>(x)), x); });
    case CORDWOOD_ACTIVATION_SELU:
      return run([](Float x) {
        const Float below = L::mul(L::all(math::kSeluAlpha), math::expm1<L>(x));
        return L::mul(L::all(math::kSeluScale), by_sign<L>(x, below, x));
      });
    default:
      return run([=](Float x) {
        const Float below = math::expm1<L>(L::div(x, L::all(alpha)));
        return by_sign<L>(x, L::mul(L::all(alpha), below), x);
      });
  }
}

template <class L>
void activate(const ActivateTask& task) noexcept {
  using Float = typename L::Float;
  const auto run = [&task](auto function) { math::each<L>(task.x, task.out, task.n, function); };
  switch (task.kind) {
    case CORDWOOD_ACTIVATION_PRELU:
      return task.slopes != nullptr ? prelu<L>(task) : activate_simple<L>(task);
    case CORDWOOD_ACTIVATION_ELU:
    case CORDWOOD_ACTIVATION_SELU:
    case CORDWOOD_ACTIVATION_CELU:
      return activate_linear_units<L>(task);
    case CORDWOOD_ACTIVATION_GELU:
      return run([](Float x) { return math::gelu<L>(x); });
    case CORDWOOD_ACTIVATION_GELU_TANH:
      return run([](Float x) { return math::gelu_tanh<L>(x); });
    case CORDWOOD_ACTIVATION_SILU:
      return run([](Float x) { return math::silu<L>(x); });
    case CORDWOOD_ACTIVATION_SIGMOID:
      return run([](Float x) { return math::sigmoid<L>(x); });
    case CORDWOOD_ACTIVATION_TANH:
      return run([](Float x) { return math::tanh<L>(x); });
    case CORDWOOD_ACTIVATION_SOFTPLUS:
      return run([](Float x) { return math::softplus<L>(x); });
    case CORDWOOD_ACTIVATION_MISH:
      return run([](Float x) { return math::mish<L>(x); });
    default:
      return activate_simple<L>(task);
  }
}

}  // namespace
}  // namespace cordwood::kernels
