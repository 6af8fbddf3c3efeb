// Positions between channels first and channels last.
#pragma once

#include <cstdint>

namespace cordwood::runtime {

/// `positions` of planes to rows of channels.
inline void gather_channels(const float* planes, uint64_t positions, uint64_t channels,
                            uint64_t plane, float* rows) noexcept {
  for (uint64_t channel = 0; channel < channels; ++channel) {
    const float* from = planes + channel * plane;
    for (uint64_t x = 0; x < positions; ++x) rows[x * channels + channel] = from[x];
  }
}

/// And back.
inline void scatter_channels(const float* rows, uint64_t positions, uint64_t channels,
                             uint64_t plane, float* planes) noexcept {
  for (uint64_t channel = 0; channel < channels; ++channel) {
    float* to = planes + channel * plane;
    for (uint64_t x = 0; x < positions; ++x) to[x] = rows[x * channels + channel];
  }
}

}  // namespace cordwood::runtime
