#include "runtime/load_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

namespace cordwood::runtime {
namespace {

// Rows of a strip: a strip of a usual table stays in the L1 while its columns are taken out.
constexpr uint64_t kStrip = 64;

// Runs of neighbouring features are worth a kernel's while from this mean length on.
constexpr size_t kWorthwhileRun = 4;

/// The values that stand for a missing one become NaN.
template <class Float>
void mark_missing(const plan::LoadRule& rule, size_t n_features, uint64_t n_rows, Float* out,
                  uint64_t stride) {
  const auto missing = static_cast<Float>(rule.missing_value);
  for (size_t i = 0; i < n_features; ++i) {
    Float* column = out + i * stride;
    for (uint64_t row = 0; row < n_rows; ++row) {
      if (column[row] == missing) column[row] = std::numeric_limits<Float>::quiet_NaN();
    }
  }
}

/// The first of `n_rows` values that the rule refuses; `n_rows` where it takes them all.
template <class Float>
uint64_t first_refused(const plan::LoadRule& rule, const Float* column, uint64_t n_rows) {
  // Zero times a finite value is zero; times NaN or infinity it is NaN.
  Float sum = 0;
  for (uint64_t row = 0; row < n_rows; ++row) sum += column[row] * Float{0};
  if (sum == 0) return n_rows;
  for (uint64_t row = 0; row < n_rows; ++row) {
    if (rule.refuse_nan && std::isnan(column[row])) return row;
    if (rule.refuse_infinity && std::isinf(column[row])) return row;
  }
  return n_rows;
}

/// Names the first refused value of all, by row and then by feature: cutting a batch up otherwise
/// changes no message.
template <class Float>
Status judge(const RowsView& rows, const plan::LoadRule& rule, std::span<const uint32_t> features,
             const Float* columns, uint64_t stride) {
  uint64_t first = rows.n_rows;
  size_t place = 0;
  for (size_t i = 0; i < features.size(); ++i) {
    const uint64_t row = first_refused(rule, columns + i * stride, first);
    if (row == first) continue;
    first = row;
    place = i;
  }
  if (first == rows.n_rows) return {};
  const bool infinite = !std::isnan(columns[place * stride + first]);
  return plan::refused(rows.first_row + first, features[place], infinite);
}

}  // namespace

Status check_rows(const RowsView& rows, uint32_t n_features) noexcept {
  if (rows.n_features == n_features) return {};
  return fail(CORDWOOD_STATUS_feature_count_mismatch, "rows",
              "rows have {} features, the model expects {}", rows.n_features, n_features);
}

RowLoader::RowLoader(const plan::LoadRule& rule, std::vector<uint32_t> features,
                     const KernelRow& kernels)
    : rule_(rule),
      features_(std::move(features)),
      f32_f32_(kernels.load_columns_f32_f32),
      f32_f64_(kernels.load_columns_f32_f64),
      f64_f32_(kernels.load_columns_f64_f32),
      f64_f64_(kernels.load_columns_f64_f64) {
  for (uint32_t column = 0; column < features_.size(); ++column) {
    const uint32_t feature = features_[column];
    if (runs_.empty() || runs_.back().first_feature + runs_.back().count != feature) {
      runs_.push_back({feature, column, 0});
    }
    ++runs_.back().count;
  }
  if (runs_.size() * kWorthwhileRun > features_.size()) runs_.clear();
}

template <class Source, class Float>
void RowLoader::load_strip(const RowsView& rows, Float* out, uint64_t stride) const noexcept {
  for (size_t i = 0; i < features_.size(); ++i) {
    const char* at =
        static_cast<const char*>(rows.data) + int64_t{features_[i]} * rows.column_stride;
    Float* column = out + i * stride;
    for (uint64_t row = 0; row < rows.n_rows; ++row) {
      Source value;
      std::memcpy(&value, at, sizeof value);  // rows need not be aligned
      column[row] = plan::cast_value<Source, Float>(value, rule_.integers_via_float32);
      at += rows.row_stride;
    }
  }
}

template <class Source, class Float>
void RowLoader::load_runs(const RowsView& rows, Float* out, uint64_t stride) const noexcept {
  constexpr bool from_f32 = std::is_same_v<Source, float>;
  constexpr bool to_f32 = std::is_same_v<Float, float>;
  const kernels::LoadColumns kernel =
      from_f32 ? (to_f32 ? f32_f32_ : f32_f64_) : (to_f32 ? f64_f32_ : f64_f64_);
  for (const Run& run : runs_) {
    kernel({.rows = static_cast<const char*>(rows.data) + run.first_feature * sizeof(Source),
            .row_stride = rows.row_stride,
            .n_rows = rows.n_rows,
            .n_features = run.count,
            .out = out + run.first_column * stride,
            .stride = stride});
  }
}

template <class Source, class Float>
Status RowLoader::load_as(const RowsView& rows, Float* out, uint64_t stride) const noexcept {
  const bool side_by_side = rows.column_stride == static_cast<int64_t>(sizeof(Source));
  for (uint64_t first = 0; first < rows.n_rows; first += kStrip) {
    const RowsView strip = rows.slice(first, std::min(kStrip, rows.n_rows - first));
    bool loaded = false;
    if constexpr (std::is_floating_point_v<Source>) {
      loaded = side_by_side && !runs_.empty();
      if (loaded) load_runs<Source>(strip, out + first, stride);
    }
    if (!loaded) load_strip<Source>(strip, out + first, stride);
    if (rule_.has_missing_value) {
      mark_missing(rule_, features_.size(), strip.n_rows, out + first, stride);
    }
  }
  return rule_.refuses() ? judge(rows, rule_, features_, out, stride) : Status{};
}

template <class Float>
Status RowLoader::load_any(const RowsView& rows, Float* out, uint64_t stride) const noexcept {
  switch (rows.dtype) {
    case CORDWOOD_DTYPE_FLOAT64:
      return load_as<double>(rows, out, stride);
    case CORDWOOD_DTYPE_FLOAT32:
      return load_as<float>(rows, out, stride);
    case CORDWOOD_DTYPE_INT8:
      return load_as<int8_t>(rows, out, stride);
    case CORDWOOD_DTYPE_UINT8:
      return load_as<uint8_t>(rows, out, stride);
    case CORDWOOD_DTYPE_INT16:
      return load_as<int16_t>(rows, out, stride);
    case CORDWOOD_DTYPE_UINT16:
      return load_as<uint16_t>(rows, out, stride);
    case CORDWOOD_DTYPE_INT32:
      return load_as<int32_t>(rows, out, stride);
    case CORDWOOD_DTYPE_UINT32:
      return load_as<uint32_t>(rows, out, stride);
    case CORDWOOD_DTYPE_INT64:
      return load_as<int64_t>(rows, out, stride);
    case CORDWOOD_DTYPE_UINT64:
      return load_as<uint64_t>(rows, out, stride);
    default:
      return fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
                  "element type number {} is not one that rows may have", rows.dtype);
  }
}

Status RowLoader::load(const RowsView& rows, float* out, uint64_t stride) const noexcept {
  return load_any(rows, out, stride);
}

Status RowLoader::load(const RowsView& rows, double* out, uint64_t stride) const noexcept {
  return load_any(rows, out, stride);
}

}  // namespace cordwood::runtime
