// How rows of values are read, and which are refused.
#pragma once

#include <type_traits>

#include "base/result.hpp"
#include "base/step.h"
#include "format/operators.h"

namespace cordwood::plan {

struct LoadRule {
  bool integers_via_float32 = false;
  bool refuse_nan = false;
  bool refuse_infinity = false;
  bool has_missing_value = false;
  double missing_value = 0.0;  ///< counts as NaN where has_missing_value; compared after the cast

  static LoadRule of(const cordwood_tree_attributes& trees) noexcept {
    return {trees.integer_cast == CORDWOOD_INTEGER_VIA_FLOAT32,
            (trees.flags & CORDWOOD_TREES_ACCEPT_NAN) == 0,
            (trees.flags & CORDWOOD_TREES_ACCEPT_INFINITY) == 0,
            (trees.flags & CORDWOOD_TREES_MISSING_VALUE) != 0, trees.missing_value};
  }
  [[nodiscard]] bool refuses() const noexcept { return refuse_nan || refuse_infinity; }
};

/// Refuses a value by name.
inline Status refused(uint64_t row, uint64_t feature, bool infinite) noexcept {
  if (!infinite) {
    return fail(CORDWOOD_STATUS_nan_refused, "rows",
                "row {}, feature {} is NaN, which the source model refuses; impute it first", row,
                feature);
  }
  return fail(CORDWOOD_STATUS_infinity_refused, "rows",
              "row {}, feature {} is infinite or too large for the model's input type, which "
              "the source model refuses; clip it first",
              row, feature);
}

/// Refuses rows of another width.
inline Status check_features(uint64_t given, uint64_t expected) noexcept {
  if (given == expected) return {};
  return fail(CORDWOOD_STATUS_feature_count_mismatch, "",
              "rows have {} features, the model expects {}", given, expected);
}

/// A caller's value as one of the ensemble's input type. The detour rounds twice, as the source does.
template <class Source, class Float>
CORDWOOD_STEP Float cast_value(Source value, bool integers_via_float32) noexcept {
  if constexpr (std::is_integral_v<Source> && std::is_same_v<Float, double>) {
    if (integers_via_float32) return static_cast<double>(static_cast<float>(value));
  }
  return static_cast<Float>(value);
}

}  // namespace cordwood::plan
