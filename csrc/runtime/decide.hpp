// Picks class indices for each row, as numpy's argmax and comparisons do.
#pragma once

#include <cstdint>
#include <span>

#include "format/operators.h"

namespace cordwood::runtime {

/// Place of the largest value: the first of equals; NaN counts as largest, as in numpy.
template <class T>
int64_t place_of_largest(std::span<const T> values) noexcept {
  std::size_t best = 0;
  for (std::size_t k = 1; k < values.size() && values[best] == values[best]; ++k) {
    if (values[k] > values[best] || values[k] != values[k]) best = k;
  }
  return static_cast<int64_t>(best);
}

/// `values` is C-ordered [n_rows, n_columns]. An argmax looks at each run of columns that `groups`
/// counts, or at all of them where there are none; `each_greater` at each column on its own; the other
/// comparisons at the last column. A comparison takes NaN for class 0.
template <class T>
void decide(const cordwood_decide_attributes& attributes, std::span<const uint32_t> groups,
            const T* values, uint64_t n_rows, uint64_t n_columns, int64_t* out) noexcept {
  const T cut = static_cast<T>(attributes.cut);
  const auto all = static_cast<uint32_t>(n_columns);
  if (groups.empty()) groups = {&all, 1};
  for (uint64_t row = 0; row < n_rows; ++row, values += n_columns) {
    const T last = values[n_columns - 1];
    switch (attributes.rule) {
      case CORDWOOD_DECIDE_GREATER:
        *out++ = last > cut ? 1 : 0;
        break;
      case CORDWOOD_DECIDE_GREATER_EQUAL:
        *out++ = last >= cut ? 1 : 0;
        break;
      case CORDWOOD_DECIDE_EACH_GREATER:
        for (uint64_t k = 0; k < n_columns; ++k) *out++ = values[k] > cut ? 1 : 0;
        break;
      default: {  // CORDWOOD_DECIDE_ARGMAX
        const T* first = values;
        for (const uint32_t count : groups) {
          *out++ = place_of_largest(std::span(first, count));
          first += count;
        }
      }
    }
  }
}

}  // namespace cordwood::runtime
