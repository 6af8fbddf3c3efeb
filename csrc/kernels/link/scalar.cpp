// Links, one value at a time: the reference.
//
// Cost: one exponential is some 40 operations, and a softmax takes two for each value, because
// keeping the first would need a buffer that grows with the columns.

#include "format/operators.h"
#include "kernels/link/link.hpp"
#include "kernels/link/step.h"
#include "kernels/link/step_log.h"

namespace cordwood::kernels::scalar {
namespace {

template <class T>
double apply(const LinkTask<T>& task, T margin) noexcept {
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

template <class T>
void complement(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const T p = static_cast<T>(apply(task, task.margin[row]));
    task.out[2 * row] = T{1} - p;
    task.out[2 * row + 1] = p;
  }
}

template <class T>
void sigmoid_pair(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    task.out[2 * row] = static_cast<T>(apply(task, -task.margin[row]));
    task.out[2 * row + 1] = static_cast<T>(apply(task, task.margin[row]));
  }
}

template <class T>
void softmax_row(const T* margin, T* out, uint64_t n_columns, double scale) noexcept {
  double top = static_cast<double>(margin[0]);
  for (uint64_t k = 1; k < n_columns; ++k) {
    const double x = static_cast<double>(margin[k]);
    top = x > top ? x : top;
  }
  const auto raised = [&](uint64_t k) {
    const double x = static_cast<double>(margin[k]);
    return cordwood_exp(cordwood_scaled(cordwood_difference(x, top), scale));
  };
  cordwood_pair total = {0.0, 0.0};
  for (uint64_t k = 0; k < n_columns; ++k) total = cordwood_add(total, raised(k));
  for (uint64_t k = 0; k < n_columns; ++k) {
    out[k] = static_cast<T>(cordwood_one_nan(cordwood_quotient(raised(k), total)));
  }
}

template <class T>
void link(const LinkTask<T>& task) noexcept {
  if (task.complement != 0) return complement(task);
  if (task.kind == CORDWOOD_LINK_SIGMOID_PAIR) return sigmoid_pair(task);
  if (task.kind == CORDWOOD_LINK_SOFTMAX) {
    for (uint64_t row = 0; row < task.n_rows; ++row) {
      const uint64_t first = row * task.n_columns;
      softmax_row(task.margin + first, task.out + first, task.n_columns, task.scale);
    }
    return;
  }
  const uint64_t n_values = task.n_rows * task.n_columns;
  for (uint64_t i = 0; i < n_values; ++i) {
    task.out[i] = static_cast<T>(apply(task, task.margin[i]));
  }
}

template <class T>
void centred_logs(const T* p, T* out, uint64_t n_columns, double lowest) noexcept {
  cordwood_pair total = {0.0, 0.0};
  for (uint64_t k = 0; k < n_columns; ++k) {
    total = cordwood_add(total, cordwood_log_probability(static_cast<double>(p[k]), lowest));
  }
  const double mean = (total.hi + total.lo) / static_cast<double>(n_columns);
  for (uint64_t k = 0; k < n_columns; ++k) {
    const cordwood_pair log = cordwood_log_probability(static_cast<double>(p[k]), lowest);
    out[k] = static_cast<T>(cordwood_one_nan((log.hi - mean) + log.lo));
  }
}

template <class T>
void logit(const LinkTask<T>& task) noexcept {
  const uint64_t n_columns = task.n_columns;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const T* p = task.margin + row * n_columns;
    if (n_columns > 2) {
      centred_logs(p, task.out + row * n_columns, n_columns, task.offset);
    } else {
      const double last = static_cast<double>(p[n_columns - 1]);
      task.out[row] = static_cast<T>(cordwood_link_logit(last, task.offset, task.scale));
    }
  }
}

}  // namespace

void link_f32(const LinkTask<float>& task) noexcept {
  link(task);
}
void link_f64(const LinkTask<double>& task) noexcept {
  link(task);
}
void logit_f32(const LinkTask<float>& task) noexcept {
  logit(task);
}
void logit_f64(const LinkTask<double>& task) noexcept {
  logit(task);
}

}  // namespace cordwood::kernels::scalar
