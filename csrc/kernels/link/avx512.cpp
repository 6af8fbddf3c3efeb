// Links, eight values at a time: the operations of step.h in the same order, one lane a value.
//
// Cost: an exponential of eight values is about 50 instructions on two 512-bit ports, some 3 cycles
// a value. A softmax keeps a row in a lane and walks the columns with gathers, so that sums stay
// in column order; the division (16 cycles for eight) is what binds it.

#include <immintrin.h>

#include "format/operators.h"
#include "kernels/link/link.hpp"
#include "kernels/link/step.h"
#include "kernels/link/step_log.h"

namespace cordwood::kernels::avx512 {
namespace {

using Doubles = __m512d;  // f64x8

struct Pair {
  Doubles hi;
  Doubles lo;
};

Doubles all(double value) noexcept {
  return _mm512_set1_pd(value);
}
Doubles add(Doubles a, Doubles b) noexcept {
  return _mm512_add_pd(a, b);
}
Doubles sub(Doubles a, Doubles b) noexcept {
  return _mm512_sub_pd(a, b);
}
Doubles mul(Doubles a, Doubles b) noexcept {
  return _mm512_mul_pd(a, b);
}
Doubles divide(Doubles a, Doubles b) noexcept {
  return _mm512_div_pd(a, b);
}
Doubles where(__mmask8 mask, Doubles yes, Doubles no) noexcept {
  return _mm512_mask_blend_pd(mask, no, yes);
}
__mmask8 less(Doubles a, Doubles b) noexcept {
  return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

__mmask8 is_nan(Doubles x) noexcept {
  return _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q);
}

Doubles negate(Doubles a) noexcept {
  return _mm512_castsi512_pd(
      _mm512_xor_si512(_mm512_castpd_si512(a), _mm512_set1_epi64(INT64_MIN)));
}

/// c_low + c_high r, a piece of the series.
Doubles piece(double c_low, double c_high, Doubles r) noexcept {
  return add(all(c_low), mul(all(c_high), r));
}

Doubles power_of_two(__m512i n) noexcept {
  return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(n, _mm512_set1_epi64(1023)), 52));
}

Pair exp(Pair x) noexcept {
  const __mmask8 nan = is_nan(x.hi);
  const auto small = static_cast<__mmask8>(less(all(-1.0), x.lo) & less(x.lo, all(1.0)));
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

  const __m512i bits = _mm512_castpd_si512(shifted);
  const __m512i exponent = _mm512_srai_epi64(_mm512_slli_epi64(bits, 32), 32);
  const __m512i half = _mm512_srai_epi64(exponent, 1);
  const Doubles first = power_of_two(half);
  const Doubles second = power_of_two(_mm512_sub_epi64(exponent, half));
  return {where(nan, x.hi, mul(mul(mantissa, first), second)),
          where(nan, all(0.0), mul(mul(mantissa_low, first), second))};
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
  return where(is_nan(x), _mm512_castsi512_pd(_mm512_set1_epi64(0x7ff8000000000000)), x);
}

Doubles link_exp(Doubles x) noexcept {
  return one_nan(exp({x, all(0.0)}).hi);
}

Doubles link_sigmoid(Doubles x, Doubles scale) noexcept {
  const Pair z = product(x, scale);
  const __mmask8 negative = less(z.hi, all(0.0));
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
  const auto high = less(all(CORDWOOD_SQRT2), x.hi);
  const Pair mantissa = log_mantissa(where(high, mul(x.hi, all(0.5)), x.hi));
  const Pair whole = {where(high, all(CORDWOOD_EXP_LN2_HIGH), all(0.0)),
                      where(high, all(CORDWOOD_EXP_LN2_LOW), all(0.0))};
  const Pair sum = add_term(whole, mantissa);
  return {sum.hi, add(sum.lo, divide(x.lo, x.hi))};
}

Doubles link_softplus(Doubles x) noexcept {
  const auto nan = is_nan(x);
  const Pair e = exp({where(less(x, all(0.0)), x, negate(x)), all(0.0)});
  const Doubles sum = add(all(1.0), e.hi);
  const Pair whole = {sum, add(add(sub(all(1.0), sum), e.hi), e.lo)};
  const Pair above = {where(less(all(0.0), x), x, all(0.0)), all(0.0)};
  const Pair total = add_term(above, log(whole));
  const Doubles lo = where(is_nan(total.lo), all(0.0), total.lo);
  return one_nan(where(nan, x, add(total.hi, lo)));
}

// Loads, stores and gathers of either type; `lanes` masks the tail. A row's step is in elements.

Doubles load(const double* from, __mmask8 lanes) noexcept {
  return _mm512_maskz_loadu_pd(lanes, from);
}
Doubles load(const float* from, __mmask8 lanes) noexcept {
  return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, from));
}
void store(double* to, __mmask8 lanes, Doubles values) noexcept {
  _mm512_mask_storeu_pd(to, lanes, values);
}
void store(float* to, __mmask8 lanes, Doubles values) noexcept {
  _mm256_mask_storeu_ps(to, lanes, _mm512_cvtpd_ps(values));
}
Doubles gather(const double* from, __mmask8 lanes, __m512i index) noexcept {
  return _mm512_mask_i64gather_pd(all(0.0), lanes, index, from, 8);
}
Doubles gather(const float* from, __mmask8 lanes, __m512i index) noexcept {
  return _mm512_cvtps_pd(_mm512_mask_i64gather_ps(_mm256_setzero_ps(), lanes, index, from, 4));
}
void scatter(double* to, __mmask8 lanes, __m512i index, Doubles values) noexcept {
  _mm512_mask_i64scatter_pd(to, lanes, index, values, 8);
}
void scatter(float* to, __mmask8 lanes, __m512i index, Doubles values) noexcept {
  _mm512_mask_i64scatter_ps(to, lanes, index, _mm512_cvtpd_ps(values), 4);
}

/// 1 - p in the output's type, whose p is rounded already.
Doubles one_minus(double, Doubles p) noexcept {
  return sub(all(1.0), p);
}
Doubles one_minus(float, Doubles p) noexcept {
  return _mm512_cvtps_pd(_mm256_sub_ps(_mm256_set1_ps(1.0f), _mm512_cvtpd_ps(p)));
}

__mmask8 lanes_of(uint64_t left) noexcept {
  return static_cast<__mmask8>(left >= 8 ? 0xFFu : (1u << left) - 1u);
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
  const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
  const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  for (uint64_t row = 0; row < task.n_rows; row += 8) {
    const __mmask8 lanes = lanes_of(task.n_rows - row);
    const Doubles x = load(task.margin + row, lanes);
    const Doubles p = apply(task, x);
    const Doubles rest = task.complement != 0 ? one_minus(T{}, p) : apply(task, negate(x));
    scatter(task.out + 2 * row, lanes, even, rest);
    scatter(task.out + 2 * row, lanes, odd, p);
  }
}

template <class T>
void softmax(const LinkTask<T>& task) noexcept {
  const auto step = static_cast<long long>(task.n_columns);
  const __m512i rows =
      _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(step));
  for (uint64_t row = 0; row < task.n_rows; row += 8) {
    const __mmask8 lanes = lanes_of(task.n_rows - row);
    const T* margin = task.margin + row * task.n_columns;
    T* out = task.out + row * task.n_columns;
    Doubles top = gather(margin, lanes, rows);
    for (uint64_t k = 1; k < task.n_columns; ++k) {
      const Doubles x = gather(margin + k, lanes, rows);
      top = where(less(top, x), x, top);
    }
    Pair total = {all(0.0), all(0.0)};
    for (uint64_t k = 0; k < task.n_columns; ++k) {
      total = add_term(total,
                       exp(scaled(difference(gather(margin + k, lanes, rows), top), task.scale)));
    }
    for (uint64_t k = 0; k < task.n_columns; ++k) {
      const Pair e = exp(scaled(difference(gather(margin + k, lanes, rows), top), task.scale));
      scatter(out + k, lanes, rows, one_nan(quotient(e, total)));
    }
  }
}

template <class T>
void link(const LinkTask<T>& task) noexcept {
  if (task.complement != 0 || task.kind == CORDWOOD_LINK_SIGMOID_PAIR) return two_columns(task);
  if (task.kind == CORDWOOD_LINK_SOFTMAX) return softmax(task);
  const uint64_t n_values = task.n_rows * task.n_columns;
  for (uint64_t i = 0; i < n_values; i += 8) {
    const __mmask8 lanes = lanes_of(n_values - i);
    store(task.out + i, lanes, apply(task, load(task.margin + i, lanes)));
  }
}

}  // namespace

void link_f32(const LinkTask<float>& task) noexcept {
  link(task);
}
void link_f64(const LinkTask<double>& task) noexcept {
  link(task);
}

}  // namespace cordwood::kernels::avx512
