// Links, two values at a time: the operations of step.h in the same order, one lane a value.
//
// Cost: an exponential of two values is 60 operations and as many instructions again for its
// constants; neighbouring pairs overlap. No operation is fused, although the processor has fused ones: every row gives the same bits. A softmax keeps
// a row in a lane and walks the columns, so that sums stay in column order; its division binds it, so that
// lanes may be loaded and stored one by one.
#include <arm_neon.h>

#include "format/operators.h"
#include "kernels/link/link.hpp"
#include "kernels/link/step.h"
#include "kernels/link/step_log.h"

namespace cordwood::kernels::neon {
namespace {

using Doubles = float64x2_t;
using Mask = uint64x2_t;
constexpr uint64_t kLanes = 2;

struct Pair {
  Doubles hi;
  Doubles lo;
};

Doubles all(double value) noexcept {
  return vdupq_n_f64(value);
}
Doubles add(Doubles a, Doubles b) noexcept {
  return vaddq_f64(a, b);
}
Doubles sub(Doubles a, Doubles b) noexcept {
  return vsubq_f64(a, b);
}
Doubles mul(Doubles a, Doubles b) noexcept {
  return vmulq_f64(a, b);
}
Doubles divide(Doubles a, Doubles b) noexcept {
  return vdivq_f64(a, b);
}
Doubles negate(Doubles a) noexcept {
  return vnegq_f64(a);
}
Doubles where(Mask mask, Doubles yes, Doubles no) noexcept {
  return vbslq_f64(mask, yes, no);
}
Mask less(Doubles a, Doubles b) noexcept {
  return vcltq_f64(a, b);
}

/// `nan` where x is a NaN, else x.
Doubles unless_nan(Doubles x, Doubles nan) noexcept {
  return where(vceqq_f64(x, x), x, nan);
}

/// c_low + c_high r, a piece of the series.
Doubles piece(double c_low, double c_high, Doubles r) noexcept {
  return add(all(c_low), mul(all(c_high), r));
}

Doubles power_of_two(int64x2_t n) noexcept {
  return vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(n, vdupq_n_s64(1023)), 52));
}

Pair exp(Pair x) noexcept {
  const Mask number = vceqq_f64(x.hi, x.hi);
  const Mask small = vandq_u64(less(all(-1.0), x.lo), less(x.lo, all(1.0)));
  const Doubles lo = where(small, x.lo, all(0.0));
  Doubles hi = where(less(all(CORDWOOD_EXP_HIGHEST), x.hi), all(CORDWOOD_EXP_HIGHEST), x.hi);
  hi = where(less(hi, all(CORDWOOD_EXP_LOWEST)), all(CORDWOOD_EXP_LOWEST), hi);

  const Doubles shifted = add(mul(hi, all(CORDWOOD_EXP_LOG2E)), all(CORDWOOD_EXP_ROUNDER));
  const Doubles n = sub(shifted, all(CORDWOOD_EXP_ROUNDER));
  const Doubles r_high = sub(hi, mul(n, all(CORDWOOD_EXP_LN2_HIGH)));
  const Doubles r_low = sub(mul(n, all(CORDWOOD_EXP_LN2_LOW)), lo);
  const Doubles r = sub(r_high, r_low);
  const Doubles r_error = sub(sub(r_high, r), r_low);

  const Doubles r2 = mul(r, r);
  const Doubles r4 = mul(r2, r2);
  const Doubles q_low = add(piece(CORDWOOD_EXP_C2, CORDWOOD_EXP_C3, r),
                            mul(piece(CORDWOOD_EXP_C4, CORDWOOD_EXP_C5, r), r2));
  const Doubles q_middle = add(piece(CORDWOOD_EXP_C6, CORDWOOD_EXP_C7, r),
                               mul(piece(CORDWOOD_EXP_C8, CORDWOOD_EXP_C9, r), r2));
  const Doubles q_high = add(piece(CORDWOOD_EXP_C10, CORDWOOD_EXP_C11, r),
                             mul(piece(CORDWOOD_EXP_C12, CORDWOOD_EXP_C13, r), r2));
  const Doubles q = add(q_low, mul(add(q_middle, mul(q_high, r4)), r4));

  const Doubles top = add(all(1.0), r);
  const Doubles tail = add(add(sub(all(1.0), top), r), add(r_error, mul(r2, q)));
  const Doubles mantissa = add(top, tail);
  const Doubles mantissa_low = add(sub(top, mantissa), tail);

  // The exponent is the lower half of each number, with its sign.
  const int64x2_t exponent = vshrq_n_s64(vshlq_n_s64(vreinterpretq_s64_f64(shifted), 32), 32);
  const int64x2_t half = vshrq_n_s64(exponent, 1);
  const Doubles first = power_of_two(half);
  const Doubles second = power_of_two(vsubq_s64(exponent, half));
  return {where(number, mul(mul(mantissa, first), second), x.hi),
          where(number, mul(mul(mantissa_low, first), second), all(0.0))};
}

Pair product(Doubles a, Doubles b) noexcept {
  const Doubles a_wide = mul(a, all(CORDWOOD_SPLITTER));
  const Doubles a_high = sub(a_wide, sub(a_wide, a));
  const Doubles a_low = sub(a, a_high);
  const Doubles b_wide = mul(b, all(CORDWOOD_SPLITTER));
  const Doubles b_high = sub(b_wide, sub(b_wide, b));
  const Doubles b_low = sub(b, b_high);
  const Doubles hi = mul(a, b);
  const Doubles lo =
      add(add(add(sub(mul(a_high, b_high), hi), mul(a_high, b_low)), mul(a_low, b_high)),
          mul(a_low, b_low));
  return {hi, lo};
}

Pair difference(Doubles a, Doubles b) noexcept {
  const Doubles hi = sub(a, b);
  const Doubles back = sub(hi, a);
  return {hi, sub(sub(a, sub(hi, back)), add(b, back))};
}

Doubles quotient(Pair a, Pair b) noexcept {
  const Doubles first = divide(a.hi, b.hi);
  return add(first, divide(sub(a.lo, mul(first, b.lo)), b.hi));
}

Doubles one_nan(Doubles x) noexcept {
  return unless_nan(x, vreinterpretq_f64_u64(vdupq_n_u64(0x7ff8000000000000)));
}

Doubles link_exp(Doubles x) noexcept {
  return one_nan(exp({x, all(0.0)}).hi);
}

Doubles link_sigmoid(Doubles x, Doubles scale) noexcept {
  const Pair z = product(x, scale);
  const Mask negative = less(z.hi, all(0.0));
  const Pair e = exp({where(negative, z.hi, negate(z.hi)), where(negative, z.lo, negate(z.lo))});
  const Doubles sum = add(all(1.0), e.hi);
  const Pair whole = {sum, add(add(sub(all(1.0), sum), e.hi), e.lo)};
  const Pair part = {where(negative, e.hi, all(1.0)), where(negative, e.lo, all(0.0))};
  return one_nan(quotient(part, whole));
}

Pair add_term(Pair total, Pair term) noexcept {
  const Doubles sum = add(total.hi, term.hi);
  const Doubles back = sub(sum, total.hi);
  const Doubles lost = add(sub(total.hi, sub(sum, back)), sub(term.hi, back));
  return {sum, add(total.lo, add(lost, term.lo))};
}

Doubles link_negative_exp2(Doubles x) noexcept {
  const Pair z = product(negate(x), all(CORDWOOD_LN2));
  return one_nan(negate(exp({z.hi, sub(z.lo, mul(x, all(CORDWOOD_LN2_REST)))}).hi));
}

Pair scaled(Pair d, double scale) noexcept {
  if (scale == 1.0) return d;
  const Pair z = product(d.hi, all(scale));
  return {z.hi, add(z.lo, mul(d.lo, all(scale)))};
}

Pair log_mantissa(Doubles m) noexcept {
  const Doubles f = sub(m, all(1.0));
  const Doubles s = divide(f, add(all(2.0), f));
  const Doubles z = mul(s, s);
  const Doubles z2 = mul(z, z);
  const Doubles z4 = mul(z2, z2);
  const Doubles low = add(piece(CORDWOOD_LOG_C3, CORDWOOD_LOG_C5, z),
                          mul(piece(CORDWOOD_LOG_C7, CORDWOOD_LOG_C9, z), z2));
  const Doubles high = add(piece(CORDWOOD_LOG_C11, CORDWOOD_LOG_C13, z),
                           mul(piece(CORDWOOD_LOG_C15, CORDWOOD_LOG_C17, z), z2));
  const Doubles top = piece(CORDWOOD_LOG_C19, CORDWOOD_LOG_C21, z);
  const Doubles series = mul(z, add(low, mul(add(high, mul(top, z4)), z4)));
  return {f, mul(s, sub(series, f))};
}

/// log of a pair from 1 to 2: the exponent is 0 or 1.
Pair log(Pair x) noexcept {
  const Mask high = less(all(CORDWOOD_SQRT2), x.hi);
  const Pair mantissa = log_mantissa(where(high, mul(x.hi, all(0.5)), x.hi));
  const Pair whole = {where(high, all(CORDWOOD_EXP_LN2_HIGH), all(0.0)),
                      where(high, all(CORDWOOD_EXP_LN2_LOW), all(0.0))};
  const Pair sum = add_term(whole, mantissa);
  return {sum.hi, add(sum.lo, divide(x.lo, x.hi))};
}

Doubles link_softplus(Doubles x) noexcept {
  const Pair e = exp({where(less(x, all(0.0)), x, negate(x)), all(0.0)});
  const Doubles sum = add(all(1.0), e.hi);
  const Pair whole = {sum, add(add(sub(all(1.0), sum), e.hi), e.lo)};
  const Pair above = {where(less(all(0.0), x), x, all(0.0)), all(0.0)};
  const Pair total = add_term(above, log(whole));
  const Doubles lo = unless_nan(total.lo, all(0.0));
  return one_nan(where(vceqq_f64(x, x), add(total.hi, lo), x));
}

// Loads and stores of either type, of up to two elements `step` apart. A lane from `n` on repeats the
// first one, and is not stored.

template <class T>
Doubles load(const T* from, uint64_t step, uint64_t n) noexcept {
  const Doubles first = all(static_cast<double>(*from));
  return n == kLanes ? vsetq_lane_f64(static_cast<double>(from[step]), first, 1) : first;
}
Doubles load(const double* from, uint64_t n) noexcept {
  return n == kLanes ? vld1q_f64(from) : all(*from);
}
Doubles load(const float* from, uint64_t n) noexcept {
  return n == kLanes ? vcvt_f64_f32(vld1_f32(from)) : all(static_cast<double>(*from));
}

template <class T>
void store(T* to, uint64_t step, uint64_t n, Doubles values) noexcept {
  *to = static_cast<T>(vgetq_lane_f64(values, 0));
  if (n == kLanes) to[step] = static_cast<T>(vgetq_lane_f64(values, 1));
}
void store(double* to, uint64_t n, Doubles values) noexcept {
  if (n == kLanes) return vst1q_f64(to, values);
  store(to, 1, n, values);
}
void store(float* to, uint64_t n, Doubles values) noexcept {
  if (n == kLanes) return vst1_f32(to, vcvt_f32_f64(values));
  store(to, 1, n, values);
}

/// 1 - p in the output's type, whose p is rounded already.
Doubles one_minus(double, Doubles p) noexcept {
  return sub(all(1.0), p);
}
Doubles one_minus(float, Doubles p) noexcept {
  return vcvt_f64_f32(vsub_f32(vdup_n_f32(1.0f), vcvt_f32_f64(p)));
}

uint64_t lanes_of(uint64_t left) noexcept {
  return left < kLanes ? left : kLanes;
}

template <class T>
Doubles apply(const LinkTask<T>& task, Doubles x) noexcept {
  switch (task.kind) {
    case CORDWOOD_LINK_SIGMOID:
    case CORDWOOD_LINK_SIGMOID_PAIR:
      return link_sigmoid(x, all(task.scale));
    case CORDWOOD_LINK_EXP:
      return link_exp(x);
    case CORDWOOD_LINK_SOFTPLUS:
      return link_softplus(x);
    case CORDWOOD_LINK_SIGNED_SQUARE:
      return one_nan(mul(x, where(less(x, all(0.0)), negate(x), x)));
    case CORDWOOD_LINK_NEGATIVE_EXP2:
      return link_negative_exp2(x);
    case CORDWOOD_LINK_SHIFT:
      return one_nan(sub(x, all(task.offset)));
    case CORDWOOD_LINK_STEP:
      return where(less(all(0.0), x), all(1.0), all(0.0));
    default:  // CORDWOOD_LINK_IDENTITY
      return x;
  }
}

/// Two columns from one: 1 - p and p, or the sigmoids of -x and x.
template <class T>
void two_columns(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; row += kLanes) {
    const uint64_t n = lanes_of(task.n_rows - row);
    const Doubles x = load(task.margin + row, n);
    const Doubles p = apply(task, x);
    const Doubles rest = task.complement != 0 ? one_minus(T{}, p) : apply(task, negate(x));
    store(task.out + 2 * row, 2, n, rest);
    store(task.out + 2 * row + 1, 2, n, p);
  }
}

template <class T>
void softmax(const LinkTask<T>& task) noexcept {
  const uint64_t step = task.n_columns;
  for (uint64_t row = 0; row < task.n_rows; row += kLanes) {
    const uint64_t n = lanes_of(task.n_rows - row);
    const T* margin = task.margin + row * step;
    T* out = task.out + row * step;
    Doubles top = load(margin, step, n);
    for (uint64_t k = 1; k < task.n_columns; ++k) {
      const Doubles x = load(margin + k, step, n);
      top = where(less(top, x), x, top);
    }
    Pair total = {all(0.0), all(0.0)};
    for (uint64_t k = 0; k < task.n_columns; ++k) {
      total = add_term(total, exp(scaled(difference(load(margin + k, step, n), top), task.scale)));
    }
    for (uint64_t k = 0; k < task.n_columns; ++k) {
      const Pair e = exp(scaled(difference(load(margin + k, step, n), top), task.scale));
      store(out + k, step, n, one_nan(quotient(e, total)));
    }
  }
}

template <class T>
void link(const LinkTask<T>& task) noexcept {
  if (task.complement != 0 || task.kind == CORDWOOD_LINK_SIGMOID_PAIR) return two_columns(task);
  if (task.kind == CORDWOOD_LINK_SOFTMAX) return softmax(task);
  const uint64_t n_values = task.n_rows * task.n_columns;
  for (uint64_t i = 0; i < n_values; i += kLanes) {
    const uint64_t n = lanes_of(n_values - i);
    store(task.out + i, n, apply(task, load(task.margin + i, n)));
  }
}

}  // namespace

void link_f32(const LinkTask<float>& task) noexcept {
  link(task);
}
void link_f64(const LinkTask<double>& task) noexcept {
  link(task);
}

}  // namespace cordwood::kernels::neon
