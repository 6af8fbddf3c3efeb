/* Logarithms and the links made of them: arithmetic that every instruction-set row repeats operation
 * by operation. Plain C11, shared with the edge reader.
 *
 * log(2^n m) = n ln 2 + log(m) with m between sqrt(1/2) and sqrt(2). With f = m - 1, s = f / (2 + f)
 * and z = s^2,
 *
 *     log(1 + f) = 2 s + 2 s^3/3 + ... = f + s (R - f),   R = 2 z/3 + 2 z^2/5 + ... + 2 z^10/21
 *
 * because 2 s = f - s f. The series stops where its next term is below 2^-60 of the sum (z is at most
 * 0.0295). f is exact and s (R - f) is at most a sixth of it, so the error before the last rounding
 * is about a third of a unit in the last place. */
#ifndef CORDWOOD_KERNELS_LINK_STEP_LOG_H
#define CORDWOOD_KERNELS_LINK_STEP_LOG_H

#include "kernels/link/step.h"

#define CORDWOOD_SQRT2 0x1.6a09e667f3bcdp+0

#define CORDWOOD_LOG_C3 (2.0 / 3.0)
#define CORDWOOD_LOG_C5 (2.0 / 5.0)
#define CORDWOOD_LOG_C7 (2.0 / 7.0)
#define CORDWOOD_LOG_C9 (2.0 / 9.0)
#define CORDWOOD_LOG_C11 (2.0 / 11.0)
#define CORDWOOD_LOG_C13 (2.0 / 13.0)
#define CORDWOOD_LOG_C15 (2.0 / 15.0)
#define CORDWOOD_LOG_C17 (2.0 / 17.0)
#define CORDWOOD_LOG_C19 (2.0 / 19.0)
#define CORDWOOD_LOG_C21 (2.0 / 21.0)

/* log(m), m between sqrt(1/2) and sqrt(2). */
CORDWOOD_STEP struct cordwood_pair cordwood_log_mantissa(double m) {
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double z2 = z * z;
  const double z4 = z2 * z2;
  const double low =
      (CORDWOOD_LOG_C3 + CORDWOOD_LOG_C5 * z) + (CORDWOOD_LOG_C7 + CORDWOOD_LOG_C9 * z) * z2;
  const double high =
      (CORDWOOD_LOG_C11 + CORDWOOD_LOG_C13 * z) + (CORDWOOD_LOG_C15 + CORDWOOD_LOG_C17 * z) * z2;
  const double top = CORDWOOD_LOG_C19 + CORDWOOD_LOG_C21 * z;
  const double series = z * (low + (high + top * z4) * z4);
  const struct cordwood_pair log = {f, s * (series - f)};
  return log;
}

/* log of a positive finite number that is a pair. */
CORDWOOD_STEP struct cordwood_pair cordwood_log(struct cordwood_pair x) {
  const int subnormal = x.hi < 0x1p-1022;
  const double normal = subnormal ? x.hi * 0x1p54 : x.hi;
  uint64_t bits;
  memcpy(&bits, &normal, sizeof bits);
  int64_t exponent = (int64_t)(bits >> 52) - (subnormal ? 1077 : 1023);
  bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > CORDWOOD_SQRT2) {
    m *= 0.5;
    exponent += 1;
  }
  const double n = (double)exponent;
  const struct cordwood_pair whole = {n * CORDWOOD_EXP_LN2_HIGH, n * CORDWOOD_EXP_LN2_LOW};
  const struct cordwood_pair log = cordwood_add(whole, cordwood_log_mantissa(m));
  const struct cordwood_pair result = {log.hi, log.lo + x.lo / x.hi};
  return result;
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). */
CORDWOOD_STEP double cordwood_link_softplus(double x) {
  const struct cordwood_pair below = {x < 0.0 ? x : -x, 0.0};
  const struct cordwood_pair e = cordwood_exp(below);
  const double sum = 1.0 + e.hi;
  const struct cordwood_pair whole = {sum, ((1.0 - sum) + e.hi) + e.lo};
  const struct cordwood_pair above = {x > 0.0 ? x : 0.0, 0.0};
  const struct cordwood_pair total = cordwood_add(above, cordwood_log(whole));
  const double lo = total.lo == total.lo ? total.lo : 0.0; /* not so where x is infinite */
  return cordwood_one_nan(x == x ? total.hi + lo : x);
}

/* Brings p into [lowest, 1 - lowest], as the source of the model does. */
CORDWOOD_STEP double cordwood_clip_probability(double p, double lowest) {
  p = p < lowest ? lowest : p;
  return p > 1.0 - lowest ? 1.0 - lowest : p;
}

/* scale log(p / (1 - p)) of a clipped p; the quotient is a pair, so that p near 1/2 loses nothing. */
CORDWOOD_STEP double cordwood_link_logit(double x, double lowest, double scale) {
  if (x != x) return cordwood_one_nan(x);
  const double p = cordwood_clip_probability(x, lowest);
  const struct cordwood_pair rest = cordwood_difference(1.0, p);
  const double odds = p / rest.hi;
  if (rest.hi <= 0.0) return odds; /* infinite: too little was clipped to matter */
  const struct cordwood_pair back = cordwood_product(odds, rest.hi);
  const double odds_low = (((p - back.hi) - back.lo) - odds * rest.lo) / rest.hi;
  const struct cordwood_pair pair = {odds, odds_low};
  const struct cordwood_pair log = cordwood_log(pair);
  return scale * (log.hi + log.lo);
}

/* log of a clipped p. */
CORDWOOD_STEP struct cordwood_pair cordwood_log_probability(double x, double lowest) {
  const struct cordwood_pair p = {cordwood_clip_probability(x, lowest), 0.0};
  const struct cordwood_pair missing = {x, 0.0};
  return x == x ? cordwood_log(p) : missing;
}

#endif
