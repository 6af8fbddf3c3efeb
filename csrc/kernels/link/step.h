/* One margin through a link: the arithmetic that every instruction-set row repeats operation by
 * operation. Plain C11, shared with the edge reader. No fused operations; the order is the
 * contract.
 *
 * exp(hi + lo): n = nearest integer to hi / ln 2, r = hi + lo - n ln 2 kept as a pair, and
 *
 *     exp(r) = 1 + r + r^2 q(r),   q(r) = 1/2! + r/3! + ... + r^11/13!     |r| <= 0.347
 *
 * The series stops where its next term is below 2^-57. The sum 1 + r is exact as a pair, so the
 * error before the last rounding stays near a tenth of a unit in the last place. `lo` carries what
 * rounding took from `hi`, so that a softmax of distant margins loses nothing. */
#ifndef CORDWOOD_KERNELS_LINK_STEP_H
#define CORDWOOD_KERNELS_LINK_STEP_H

#include <stdint.h>
#include <string.h>

#include "base/step.h"

#define CORDWOOD_EXP_LOG2E 0x1.71547652b82fep+0
#define CORDWOOD_EXP_LN2_HIGH 0x1.62e42feep-1 /* 32 bits: its product with n is exact */
#define CORDWOOD_EXP_LN2_LOW 0x1.a39ef35793c76p-33
#define CORDWOOD_EXP_ROUNDER 0x1.8p52 /* adding it rounds to an integer, kept in the low bits */
#define CORDWOOD_EXP_HIGHEST 710.0    /* from here on the answer is infinity */
#define CORDWOOD_EXP_LOWEST -746.0    /* down from here it is zero */

#define CORDWOOD_EXP_C2 (1.0 / 2.0)
#define CORDWOOD_EXP_C3 (1.0 / 6.0)
#define CORDWOOD_EXP_C4 (1.0 / 24.0)
#define CORDWOOD_EXP_C5 (1.0 / 120.0)
#define CORDWOOD_EXP_C6 (1.0 / 720.0)
#define CORDWOOD_EXP_C7 (1.0 / 5040.0)
#define CORDWOOD_EXP_C8 (1.0 / 40320.0)
#define CORDWOOD_EXP_C9 (1.0 / 362880.0)
#define CORDWOOD_EXP_C10 (1.0 / 3628800.0)
#define CORDWOOD_EXP_C11 (1.0 / 39916800.0)
#define CORDWOOD_EXP_C12 (1.0 / 479001600.0)
#define CORDWOOD_EXP_C13 (1.0 / 6227020800.0)

#define CORDWOOD_LN2 0x1.62e42fefa39efp-1
#define CORDWOOD_LN2_REST 0x1.abc9e3b39803fp-56 /* what rounding took from CORDWOOD_LN2 */

#define CORDWOOD_SPLITTER 134217729.0 /* 2^27 + 1: cuts a double into two halves */

/* A number and what rounding took from it. */
struct cordwood_pair {
  double hi;
  double lo;
};

CORDWOOD_STEP double cordwood_power_of_two(int64_t n) {
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

/* exp as a pair whose first half is the rounded answer. */
CORDWOOD_STEP struct cordwood_pair cordwood_exp(struct cordwood_pair x) {
  if (x.hi != x.hi) {
    const struct cordwood_pair missing = {x.hi, 0.0};
    return missing;
  }
  const double lo = x.lo > -1.0 && x.lo < 1.0 ? x.lo : 0.0; /* not so where hi is infinite */
  double hi = x.hi > CORDWOOD_EXP_HIGHEST ? CORDWOOD_EXP_HIGHEST : x.hi;
  hi = hi < CORDWOOD_EXP_LOWEST ? CORDWOOD_EXP_LOWEST : hi;

  const double shifted = hi * CORDWOOD_EXP_LOG2E + CORDWOOD_EXP_ROUNDER;
  const double n = shifted - CORDWOOD_EXP_ROUNDER;
  const double r_high = hi - n * CORDWOOD_EXP_LN2_HIGH;
  const double r_low = n * CORDWOOD_EXP_LN2_LOW - lo;
  const double r = r_high - r_low;
  const double r_error = (r_high - r) - r_low;

  const double r2 = r * r;
  const double r4 = r2 * r2;
  const double q_low =
      (CORDWOOD_EXP_C2 + CORDWOOD_EXP_C3 * r) + (CORDWOOD_EXP_C4 + CORDWOOD_EXP_C5 * r) * r2;
  const double q_middle =
      (CORDWOOD_EXP_C6 + CORDWOOD_EXP_C7 * r) + (CORDWOOD_EXP_C8 + CORDWOOD_EXP_C9 * r) * r2;
  const double q_high =
      (CORDWOOD_EXP_C10 + CORDWOOD_EXP_C11 * r) + (CORDWOOD_EXP_C12 + CORDWOOD_EXP_C13 * r) * r2;
  const double q = q_low + (q_middle + q_high * r4) * r4;

  const double top = 1.0 + r;
  const double tail = ((1.0 - top) + r) + (r_error + r2 * q);
  const double mantissa = top + tail;
  const double mantissa_low = (top - mantissa) + tail;

  /* Two factors reach every result, the subnormal ones with a single rounding. */
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  const int64_t exponent = (int32_t)(uint32_t)bits;
  const double first = cordwood_power_of_two(exponent >> 1);
  const double second = cordwood_power_of_two(exponent - (exponent >> 1));
  const struct cordwood_pair result = {mantissa * first * second, mantissa_low * first * second};
  return result;
}

/* a * b as a pair (Dekker's product). */
CORDWOOD_STEP struct cordwood_pair cordwood_product(double a, double b) {
  const double a_wide = a * CORDWOOD_SPLITTER;
  const double a_high = a_wide - (a_wide - a);
  const double a_low = a - a_high;
  const double b_wide = b * CORDWOOD_SPLITTER;
  const double b_high = b_wide - (b_wide - b);
  const double b_low = b - b_high;
  const double hi = a * b;
  const double lo = (((a_high * b_high - hi) + a_high * b_low) + a_low * b_high) + a_low * b_low;
  const struct cordwood_pair pair = {hi, lo};
  return pair;
}

/* a - b as a pair (Knuth's sum, with b negated). */
CORDWOOD_STEP struct cordwood_pair cordwood_difference(double a, double b) {
  const double hi = a - b;
  const double back = hi - a;
  const double lo = (a - (hi - back)) - (b + back);
  const struct cordwood_pair pair = {hi, lo};
  return pair;
}

/* a / b, good to one unit in the last place. */
CORDWOOD_STEP double cordwood_quotient(struct cordwood_pair a, struct cordwood_pair b) {
  const double first = a.hi / b.hi;
  return first + (a.lo - first * b.lo) / b.hi;
}

/* One NaN for all: which of two NaNs an addition keeps is not for a compiler to decide. */
CORDWOOD_STEP double cordwood_one_nan(double x) {
  const uint64_t bits = UINT64_C(0x7ff8000000000000);
  double nan;
  memcpy(&nan, &bits, sizeof nan);
  return x == x ? x : nan;
}

/* exp(x). */
CORDWOOD_STEP double cordwood_link_exp(double x) {
  const struct cordwood_pair exact = {x, 0.0};
  return cordwood_one_nan(cordwood_exp(exact).hi);
}

/* 1 / (1 + exp(-scale x)), by the exponential that cannot overflow. */
CORDWOOD_STEP double cordwood_link_sigmoid(double x, double scale) {
  const struct cordwood_pair z = cordwood_product(x, scale);
  const int negative = z.hi < 0.0;
  const struct cordwood_pair below = {negative ? z.hi : -z.hi, negative ? z.lo : -z.lo};
  const struct cordwood_pair e = cordwood_exp(below);
  const double sum = 1.0 + e.hi;
  const struct cordwood_pair whole = {sum, ((1.0 - sum) + e.hi) + e.lo};
  const struct cordwood_pair part = {negative ? e.hi : 1.0, negative ? e.lo : 0.0};
  return cordwood_one_nan(cordwood_quotient(part, whole));
}

/* -2^-x, as an exponential of -x ln 2. */
CORDWOOD_STEP double cordwood_link_negative_exp2(double x) {
  const struct cordwood_pair z = cordwood_product(-x, CORDWOOD_LN2);
  const struct cordwood_pair whole = {z.hi, z.lo - x * CORDWOOD_LN2_REST};
  return cordwood_one_nan(-cordwood_exp(whole).hi);
}

/* scale * d: a softmax scales what is left after the maximum. */
CORDWOOD_STEP struct cordwood_pair cordwood_scaled(struct cordwood_pair d, double scale) {
  if (scale == 1.0) return d;
  const struct cordwood_pair z = cordwood_product(d.hi, scale);
  const struct cordwood_pair scaled = {z.hi, z.lo + d.lo * scale};
  return scaled;
}

/* One more term of a sum. */
CORDWOOD_STEP struct cordwood_pair cordwood_add(struct cordwood_pair total,
                                                struct cordwood_pair term) {
  const double sum = total.hi + term.hi;
  const double back = sum - total.hi;
  const double lost = (total.hi - (sum - back)) + (term.hi - back);
  const struct cordwood_pair next = {sum, total.lo + (lost + term.lo)};
  return next;
}

#endif
