// Links, one value at a time: the reference.
#include "kernels/link/link.hpp"
#include "kernels/link/step_rows.hpp"

namespace cordwood::kernels::scalar {
namespace {

template <class T>
void link(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) link_row(task, row);
}

template <class T>
void logit(const LinkTask<T>& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) logit_row(task, row);
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
