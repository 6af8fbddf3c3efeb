// Picks a class index for each row, as numpy's argmax and comparisons do.
#pragma once

#include <cstdint>

#include "format/layout.h"

namespace cordwood::runtime {

/// `values` is C-ordered [n_rows, n_columns]. The first of the largest wins; NaN counts as largest, as
/// in numpy. The comparisons look at the last column and take NaN for class 0.
template <class T>
void decide(const cordwood_decide_attributes& attributes, const T* values, uint64_t n_rows,
            uint64_t n_columns, int64_t* out) noexcept {
  const T cut = static_cast<T>(attributes.cut);
  for (uint64_t row = 0; row < n_rows; ++row, values += n_columns) {
    const T last = values[n_columns - 1];
    if (attributes.rule == CORDWOOD_DECIDE_GREATER) {
      out[row] = last > cut ? 1 : 0;
    } else if (attributes.rule == CORDWOOD_DECIDE_GREATER_EQUAL) {
      out[row] = last >= cut ? 1 : 0;
    } else {
      uint64_t best = 0;
      for (uint64_t k = 1; k < n_columns && values[best] == values[best]; ++k) {
        if (values[k] > values[best] || values[k] != values[k]) best = k;
      }
      out[row] = static_cast<int64_t>(best);
    }
  }
}

}  // namespace cordwood::runtime
