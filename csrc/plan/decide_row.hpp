// Picks class indices for a row, as numpy's argmax and comparisons do. For every device.
#pragma once

#include <cstdint>

#include "base/step.h"
#include "format/operators.h"

namespace cordwood::plan {

/// Place of the largest value: the first of equals; NaN counts as largest, as in numpy.
template <class T>
CORDWOOD_STEP int64_t place_of_largest(const T* values, uint64_t count) noexcept {
  uint64_t best = 0;
  for (uint64_t k = 1; k < count && values[best] == values[best]; ++k) {
    if (values[k] > values[best] || values[k] != values[k]) best = k;
  }
  return static_cast<int64_t>(best);
}

/// Class indices that a row gets.
CORDWOOD_STEP uint64_t decide_width(const cordwood_decide_attributes& attributes, uint64_t n_groups,
                                    uint64_t n_columns) noexcept {
  if (attributes.rule == CORDWOOD_DECIDE_EACH_GREATER) return n_columns;
  return attributes.rule == CORDWOOD_DECIDE_ARGMAX && n_groups != 0 ? n_groups : 1;
}

/// An argmax looks at each run of columns that `groups` counts, or at all of them where there are none;
/// `each_greater` at each column on its own; the other comparisons at the last column. A comparison
/// takes NaN for class 0.
template <class T>
CORDWOOD_STEP void decide_row(const cordwood_decide_attributes& attributes, const uint32_t* groups,
                              uint64_t n_groups, const T* values, uint64_t n_columns,
                              int64_t* out) noexcept {
  const T cut = static_cast<T>(attributes.cut);
  const T last = values[n_columns - 1];
  switch (attributes.rule) {
    case CORDWOOD_DECIDE_GREATER:
      out[0] = last > cut ? 1 : 0;
      break;
    case CORDWOOD_DECIDE_GREATER_EQUAL:
      out[0] = last >= cut ? 1 : 0;
      break;
    case CORDWOOD_DECIDE_EACH_GREATER:
      for (uint64_t k = 0; k < n_columns; ++k) out[k] = values[k] > cut ? 1 : 0;
      break;
    default:  // CORDWOOD_DECIDE_ARGMAX
      if (n_groups == 0) out[0] = place_of_largest(values, n_columns);
      for (uint64_t group = 0; group < n_groups; ++group) {
        out[group] = place_of_largest(values, groups[group]);
        values += groups[group];
      }
  }
}

}  // namespace cordwood::plan
