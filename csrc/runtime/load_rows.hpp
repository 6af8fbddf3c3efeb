// From a caller's rows to columns of the ensemble's input type: the one pass over the input.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "format/operators.h"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

/// How rows are read, and which are refused.
struct LoadRule {
  bool integers_via_float32 = false;
  bool refuse_nan = false;
  bool refuse_infinity = false;
  bool has_missing_value = false;
  double missing_value = 0.0;  ///< counts as NaN where has_missing_value; compared after the cast

  static LoadRule of(const cordwood_tree_attributes& trees) noexcept;
  [[nodiscard]] bool refuses() const noexcept { return refuse_nan || refuse_infinity; }
};

/// Checks what does not depend on the values: type and number of features.
Status check_rows(const RowsView& rows, uint32_t n_features) noexcept;

/// Casts the listed features of all rows: row r of features[i] goes to `out[i * stride + r]`.
Status load_columns(const RowsView& rows, const LoadRule& rule, std::span<const uint32_t> features,
                    float* out, uint64_t stride) noexcept;
Status load_columns(const RowsView& rows, const LoadRule& rule, std::span<const uint32_t> features,
                    double* out, uint64_t stride) noexcept;

}  // namespace cordwood::runtime
