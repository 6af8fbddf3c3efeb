// One value of a caller's rows, on the device: cast as the ensemble's source casts it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/device_rows.hpp"
#include "format/layout.h"
#include "plan/load_rule.hpp"

namespace cordwood::cuda {

template <class Source, class Float>
__device__ __forceinline__ Float cast_at(const char* at, const plan::LoadRule& rule) {
  return plan::cast_value<Source, Float>(*reinterpret_cast<const Source*>(at),
                                         rule.integers_via_float32);
}

__device__ __forceinline__ const char* value_at(const DeviceRows& rows, uint64_t row,
                                                uint32_t feature) {
  return static_cast<const char*>(rows.data) + static_cast<int64_t>(row) * rows.row_stride +
         static_cast<int64_t>(feature) * rows.column_stride;
}

/// NaN where a value counts as missing.
template <class Float>
__device__ __forceinline__ Float judged_missing(Float value, const plan::LoadRule& rule) {
  const bool missing = rule.has_missing_value && value == static_cast<Float>(rule.missing_value);
  return missing ? static_cast<Float>(nan("")) : value;
}

/// As row_value(), of rows that have the type already.
template <class Float>
__device__ __forceinline__ Float own_value(const DeviceRows& rows, const plan::LoadRule& rule,
                                           uint64_t row, uint32_t feature) {
  return judged_missing(*reinterpret_cast<const Float*>(value_at(rows, row, feature)), rule);
}

/// Feature `feature` of row `row`; NaN where it counts as missing. The type is the same for all threads,
/// so no branch divides a warp.
template <class Float>
__device__ __forceinline__ Float row_value(const DeviceRows& rows, const plan::LoadRule& rule,
                                           uint64_t row, uint32_t feature) {
  const char* at = value_at(rows, row, feature);
  Float value = 0;
  switch (rows.dtype) {
    case CORDWOOD_DTYPE_FLOAT64:
      value = cast_at<double, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_FLOAT32:
      value = cast_at<float, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_INT8:
      value = cast_at<int8_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_UINT8:
      value = cast_at<uint8_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_INT16:
      value = cast_at<int16_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_UINT16:
      value = cast_at<uint16_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_INT32:
      value = cast_at<int32_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_UINT32:
      value = cast_at<uint32_t, Float>(at, rule);
      break;
    case CORDWOOD_DTYPE_INT64:
      value = cast_at<int64_t, Float>(at, rule);
      break;
    default:  // CORDWOOD_DTYPE_UINT64
      value = cast_at<uint64_t, Float>(at, rule);
  }
  return judged_missing(value, rule);
}

}  // namespace cordwood::cuda
