// Links of one row, for every device: what a link does with a row's margins, by the steps of step.h and
// step_log.h.
//
// One exponential is some 40 operations, and a softmax takes two for each value, because keeping the
// first would need a buffer that grows with the columns.
#pragma once

#include "base/step.h"
#include "format/operators.h"
#include "kernels/link/link.hpp"
#include "kernels/link/step.h"
#include "kernels/link/step_log.h"

namespace cordwood::kernels {

/// What a link found, in the type of its answers. NaN does not go through the conversion: a CUDA device
/// makes another one of it than a processor does.
template <class T>
CORDWOOD_STEP T link_cast(double x) noexcept {
  if (x == x) return static_cast<T>(x);
  if constexpr (sizeof(T) == sizeof(double)) return cordwood_one_nan(x);
  const uint32_t bits = 0x7FC00000u;
  float nan;
  memcpy(&nan, &bits, sizeof nan);
  return static_cast<T>(nan);
}

/// Of one margin.
template <class T>
CORDWOOD_STEP double link_value(const LinkTask<T>& task, T margin) noexcept {
  const double x = static_cast<double>(margin);
  switch (task.kind) {
    case CORDWOOD_LINK_SIGMOID:
    case CORDWOOD_LINK_SIGMOID_PAIR:
      return cordwood_link_sigmoid(x, task.scale);
    case CORDWOOD_LINK_EXP:
      return cordwood_link_exp(x);
    case CORDWOOD_LINK_SOFTPLUS:
      return cordwood_link_softplus(x);
    case CORDWOOD_LINK_SIGNED_SQUARE:
      return cordwood_one_nan(x * (x < 0.0 ? -x : x));
    case CORDWOOD_LINK_NEGATIVE_EXP2:
      return cordwood_link_negative_exp2(x);
    case CORDWOOD_LINK_SHIFT:
      return cordwood_one_nan(x - task.offset);
    case CORDWOOD_LINK_STEP:
      return x > 0.0 ? 1.0 : 0.0;
    default:  // CORDWOOD_LINK_IDENTITY
      return x;
  }
}

/// The answer to one margin.
template <class T>
CORDWOOD_STEP T link_one(const LinkTask<T>& task, T margin) noexcept {
  return task.kind == CORDWOOD_LINK_IDENTITY ? margin : link_cast<T>(link_value(task, margin));
}

/// What is left of x after the maximum, scaled and raised.
template <class T>
CORDWOOD_STEP cordwood_pair raised(T margin, double top, double scale) noexcept {
  const double x = static_cast<double>(margin);
  return cordwood_exp(cordwood_scaled(cordwood_difference(x, top), scale));
}

template <class T>
CORDWOOD_STEP void softmax_row(const T* margin, T* out, uint64_t n_columns, double scale) noexcept {
  double top = static_cast<double>(margin[0]);
  for (uint64_t k = 1; k < n_columns; ++k) {
    const double x = static_cast<double>(margin[k]);
    top = x > top ? x : top;
  }
  cordwood_pair total = {0.0, 0.0};
  for (uint64_t k = 0; k < n_columns; ++k)
    total = cordwood_add(total, raised(margin[k], top, scale));
  for (uint64_t k = 0; k < n_columns; ++k) {
    out[k] = link_cast<T>(cordwood_quotient(raised(margin[k], top, scale), total));
  }
}

/// Values that a link reads, and writes, for each row.
template <class T>
CORDWOOD_STEP uint64_t link_width(const LinkTask<T>& task) noexcept {
  const bool pair = task.complement != 0 || task.kind == CORDWOOD_LINK_SIGMOID_PAIR;
  return pair ? 2 : task.n_columns;
}

template <class T>
CORDWOOD_STEP void link_row(const LinkTask<T>& task, uint64_t row) noexcept {
  T* const out = task.out + row * link_width(task);
  if (task.complement != 0) {
    const T p = link_one(task, task.margin[row]);
    out[0] = p == p ? T{1} - p : p;
    out[1] = p;
    return;
  }
  if (task.kind == CORDWOOD_LINK_SIGMOID_PAIR) {
    out[0] = link_one(task, -task.margin[row]);
    out[1] = link_one(task, task.margin[row]);
    return;
  }
  const T* const margin = task.margin + row * task.n_columns;
  if (task.kind == CORDWOOD_LINK_SOFTMAX)
    return softmax_row(margin, out, task.n_columns, task.scale);
  for (uint64_t k = 0; k < task.n_columns; ++k) out[k] = link_one(task, margin[k]);
}

template <class T>
CORDWOOD_STEP void centred_logs(const T* p, T* out, uint64_t n_columns, double lowest) noexcept {
  cordwood_pair total = {0.0, 0.0};
  for (uint64_t k = 0; k < n_columns; ++k) {
    total = cordwood_add(total, cordwood_log_probability(static_cast<double>(p[k]), lowest));
  }
  const double mean = (total.hi + total.lo) / static_cast<double>(n_columns);
  for (uint64_t k = 0; k < n_columns; ++k) {
    const cordwood_pair log = cordwood_log_probability(static_cast<double>(p[k]), lowest);
    out[k] = link_cast<T>((log.hi - mean) + log.lo);
  }
}

template <class T>
CORDWOOD_STEP void logit_row(const LinkTask<T>& task, uint64_t row) noexcept {
  const T* const p = task.margin + row * task.n_columns;
  if (task.n_columns > 2) {
    return centred_logs(p, task.out + row * task.n_columns, task.n_columns, task.offset);
  }
  const double last = static_cast<double>(p[task.n_columns - 1]);
  task.out[row] = link_cast<T>(cordwood_link_logit(last, task.offset, task.scale));
}

}  // namespace cordwood::kernels
