// Divisions bind here, for small groups as much as memory does: loops are written so that the
// compiler makes vectors of them.
#include "runtime/weights_scale.hpp"

#include "kernels/quantize_weights/step.h"

namespace cordwood::runtime {
namespace {

void choose_symmetric(const float* low, const float* high, uint64_t n_groups, uint32_t bits,
                      float* scales) noexcept {
  const auto codes_above = static_cast<float>((1u << (bits - 1)) - 1);
  const float share_below = 1.0f / static_cast<float>(1u << (bits - 1));
  for (uint64_t g = 0; g < n_groups; ++g) {
    scales[g] = cordwood_scale_symmetric(low[g], high[g], codes_above, share_below);
  }
}

void choose_asymmetric(const float* low, const float* high, uint64_t n_groups, uint32_t bits,
                       float* scales) noexcept {
  const auto top = static_cast<float>((1u << bits) - 1);
  for (uint64_t g = 0; g < n_groups; ++g) {
    scales[g] = cordwood_scale_asymmetric(low[g], high[g], top);
  }
}

void choose_zeros(const float* low, uint64_t n_groups, uint32_t bits, const float* scales,
                  uint8_t* zeros) noexcept {
  const auto top = static_cast<float>((1u << bits) - 1);
  for (uint64_t g = 0; g < n_groups; ++g) zeros[g] = cordwood_scale_zero(low[g], scales[g], top);
}

}  // namespace

void invert_scales(uint64_t n_groups, const GroupScales& out) noexcept {
  const float* scales = out.scales;
  float* reciprocals = out.reciprocals;
  for (uint64_t g = 0; g < n_groups; ++g) {
    reciprocals[g] = cordwood_scale_inverse(scales[g]);
  }
}

void choose_scales(const float* low, const float* high, uint64_t n_groups, const WeightsForm& form,
                   const GroupScales& out) noexcept {
  float* scales = out.scales;
  if (form.symmetric) {
    choose_symmetric(low, high, n_groups, form.bits, scales);
  } else {
    choose_asymmetric(low, high, n_groups, form.bits, scales);
  }
  for (uint64_t g = 0; g < n_groups; ++g) scales[g] = cordwood_scale_or(scales[g], 0);
  if (form.half_scales) {
    for (uint64_t g = 0; g < n_groups; ++g) {
      scales[g] = scales[g] > 0.0f ? cordwood_scale_half(scales[g]) : 0.0f;
    }
  }
  if (!form.symmetric) choose_zeros(low, n_groups, form.bits, scales, out.zeros);
  invert_scales(n_groups, out);
}

}  // namespace cordwood::runtime
