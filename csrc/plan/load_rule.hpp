// How rows of values are read, and which are refused.
#pragma once

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

}  // namespace cordwood::plan
