// Links, one value at a time: the reference.
//
// Cost: one exponential is some 40 operations, and a softmax takes two for each value, because
// keeping the first would need a buffer that grows with the columns.

#include "format/layout.h"
#include "kernels/link/link.hpp"
#include "kernels/link/step.h"

namespace cordwood::kernels::scalar {
namespace {

template <class T>
void complement(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const double margin = static_cast<double>(task.margin[row]);
    double p = margin;
    if (task.kind == CORDWOOD_LINK_SIGMOID) p = cordwood_link_sigmoid(margin, task.scale);
    if (task.kind == CORDWOOD_LINK_EXP) p = cordwood_link_exp(margin);
    const T rounded = static_cast<T>(p);
    task.out[2 * row] = T{1} - rounded;
    task.out[2 * row + 1] = rounded;
  }
}

template <class T>
void softmax_row(const T* margin, T* out, uint64_t n_columns) noexcept {
  double top = static_cast<double>(margin[0]);
  for (uint64_t k = 1; k < n_columns; ++k) {
    const double x = static_cast<double>(margin[k]);
    top = x > top ? x : top;
  }
  cordwood_pair total = {0.0, 0.0};
  for (uint64_t k = 0; k < n_columns; ++k) {
    const double x = static_cast<double>(margin[k]);
    total = cordwood_add(total, cordwood_exp(cordwood_difference(x, top)));
  }
  for (uint64_t k = 0; k < n_columns; ++k) {
    const double x = static_cast<double>(margin[k]);
    const cordwood_pair e = cordwood_exp(cordwood_difference(x, top));
    out[k] = static_cast<T>(cordwood_one_nan(cordwood_quotient(e, total)));
  }
}

template <class T>
void link(const LinkTask<T>& task) noexcept {
  if (task.complement != 0) return complement(task);
  const uint64_t n_values = task.n_rows * task.n_columns;
  switch (task.kind) {
    case CORDWOOD_LINK_SIGMOID:
      for (uint64_t i = 0; i < n_values; ++i) {
        task.out[i] =
            static_cast<T>(cordwood_link_sigmoid(static_cast<double>(task.margin[i]), task.scale));
      }
      return;
    case CORDWOOD_LINK_EXP:
      for (uint64_t i = 0; i < n_values; ++i) {
        task.out[i] = static_cast<T>(cordwood_link_exp(static_cast<double>(task.margin[i])));
      }
      return;
    case CORDWOOD_LINK_SOFTMAX:
      for (uint64_t row = 0; row < task.n_rows; ++row) {
        const uint64_t first = row * task.n_columns;
        softmax_row(task.margin + first, task.out + first, task.n_columns);
      }
      return;
    default:  // CORDWOOD_LINK_IDENTITY
      for (uint64_t i = 0; i < n_values; ++i) task.out[i] = task.margin[i];
  }
}

}  // namespace

void link_f32(const LinkTask<float>& task) noexcept {
  link(task);
}
void link_f64(const LinkTask<double>& task) noexcept {
  link(task);
}

}  // namespace cordwood::kernels::scalar
