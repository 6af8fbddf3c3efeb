// load_columns: from rows, feature beside feature, to columns, row beside row.
//
// The trees want one feature of many rows at a time; callers hold all features of one row together.
// This is the pass between the two for floating-point rows, with the cast to the type that the trees
// compare in.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Value (r, f) is read at `rows + r * row_stride + f * (bytes of a value)` and goes to
/// `out[f * stride + r]`. Rows need not be aligned.
struct LoadTask {
  const void* rows;    ///< first value of the first row
  int64_t row_stride;  ///< bytes
  uint64_t n_rows;
  uint64_t n_features;
  void* out;
  uint64_t stride;
};

// Rows are asked for this long before they are read: between two calls for neighbouring rows the
// processor's own look-ahead has come to a halt. An address past the last row does no harm.
inline constexpr uint64_t kLoadRowsAhead = 64;
inline constexpr uint64_t kLoadLineBytes = 64;

using LoadColumns = void (*)(const LoadTask& task) noexcept;

// Named by the type read and the type written.
#define CORDWOOD_DECLARE_LOAD_COLUMNS(isa)                                                         \
  namespace isa {                                                                                  \
  void load_columns_f32_f32(const LoadTask& task) noexcept;                                        \
  void load_columns_f32_f64(const LoadTask& task) noexcept;                                        \
  void load_columns_f64_f32(const LoadTask& task) noexcept;                                        \
  void load_columns_f64_f64(const LoadTask& task) noexcept;                                        \
  }

CORDWOOD_DECLARE_LOAD_COLUMNS(scalar)
CORDWOOD_DECLARE_LOAD_COLUMNS(avx2)
CORDWOOD_DECLARE_LOAD_COLUMNS(avx512)
#undef CORDWOOD_DECLARE_LOAD_COLUMNS

}  // namespace cordwood::kernels
