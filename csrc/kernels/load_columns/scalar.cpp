// load_columns, the reference: one value at a time.
#include <cstring>

#include "kernels/load_columns/load_columns.hpp"

namespace cordwood::kernels::scalar {
namespace {

template <class Source, class Float>
void load(const LoadTask& task) {
  auto* out = static_cast<Float*>(task.out);
  for (uint64_t feature = 0; feature < task.n_features; ++feature) {
    const char* at = static_cast<const char*>(task.rows) + feature * sizeof(Source);
    for (uint64_t row = 0; row < task.n_rows; ++row) {
      Source value;
      std::memcpy(&value, at, sizeof value);
      out[feature * task.stride + row] = static_cast<Float>(value);
      at += task.row_stride;
    }
  }
}

}  // namespace

void load_columns_f32_f32(const LoadTask& task) noexcept {
  load<float, float>(task);
}

void load_columns_f32_f64(const LoadTask& task) noexcept {
  load<float, double>(task);
}

void load_columns_f64_f32(const LoadTask& task) noexcept {
  load<double, float>(task);
}

void load_columns_f64_f64(const LoadTask& task) noexcept {
  load<double, double>(task);
}

}  // namespace cordwood::kernels::scalar
