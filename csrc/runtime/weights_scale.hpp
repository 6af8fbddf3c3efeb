// Scales and zero points of groups from their ranges: the table of docs/quantization.md.
#pragma once

#include <cstdint>

#include "runtime/weights.hpp"

namespace cordwood::runtime {

/// Groups side by side. `reciprocals` are 0 where the scale is; `zeros` are written where they are
/// chosen.
struct GroupScales {
  float* scales;
  float* reciprocals;
  uint8_t* zeros;
};

void choose_scales(const float* low, const float* high, uint64_t n_groups, const WeightsForm& form,
                   const GroupScales& out) noexcept;

/// `out.reciprocals` of the scales that are there.
void invert_scales(uint64_t n_groups, const GroupScales& out) noexcept;

}  // namespace cordwood::runtime
