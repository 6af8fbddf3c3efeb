// Divisions bind here, for small groups as much as memory does: loops are written so that the
// compiler makes vectors of them. It chooses between floats by branches, for a comparison of them may
// trap; bits of positive ones are of the same order and do not.
#include "runtime/weights_scale.hpp"

#include <bit>
#include <cmath>

namespace cordwood::runtime {
namespace {

/// Scales below this count as zero: their reciprocal would overflow.
constexpr int32_t kTinyScale = std::bit_cast<int32_t>(0x1p-100f);
constexpr int32_t kOne = std::bit_cast<int32_t>(1.0f);

constexpr float kLargestHalf = 65504.0f;
constexpr float kSmallestHalf = 0x1p-24f;
constexpr float kSmallestNormalHalf = 0x1p-14f;

float larger(float a, float b) noexcept {
  return a > b ? a : b;
}

/// The nearest float16, ties to even, of a positive number: neither 0 nor infinite.
float round_to_half(float value) noexcept {
  // A float32 from a half up has the steps of a float16's subnormals.
  const float subnormal = larger((value + 0.5f) - 0.5f, kSmallestHalf);
  const auto bits = std::bit_cast<uint32_t>(value);
  const float normal = std::bit_cast<float>((bits + 0xFFFu + (bits >> 13 & 1)) & ~0x1FFFu);
  const float rounded = value < kSmallestNormalHalf ? subnormal : normal;
  return rounded < kLargestHalf ? rounded : kLargestHalf;
}

/// The scale, or what stands for one that is too small.
float scale_or(float scale, int32_t other) noexcept {
  const auto bits = std::bit_cast<int32_t>(scale);
  return std::bit_cast<float>(bits < kTinyScale ? other : bits);
}

void choose_symmetric(const float* low, const float* high, uint64_t n_groups, uint32_t bits,
                      float* scales) noexcept {
  const auto codes_above = static_cast<float>((1u << (bits - 1)) - 1);
  const float share_below = 1.0f / static_cast<float>(1u << (bits - 1));
  for (uint64_t g = 0; g < n_groups; ++g) {
    scales[g] = larger(high[g] / codes_above, -low[g] * share_below);
  }
}

void choose_asymmetric(const float* low, const float* high, uint64_t n_groups, uint32_t bits,
                       float* scales) noexcept {
  const auto top = static_cast<float>((1u << bits) - 1);
  for (uint64_t g = 0; g < n_groups; ++g) {
    const float width = high[g] - low[g];
    const float halves = high[g] / top - low[g] / top;
    const float whole = width / top;
    scales[g] = std::isinf(width) ? halves : whole;
  }
}

void choose_zeros(const float* low, uint64_t n_groups, uint32_t bits, const float* scales,
                  uint8_t* zeros) noexcept {
  const auto top = static_cast<float>((1u << bits) - 1);
  constexpr float kRounder = 0x1.8p23f;  // adding it leaves no room for a fraction
  for (uint64_t g = 0; g < n_groups; ++g) {
    // Where the scale is 0, so is what the lowest weight rounds to.
    const float exact = -low[g] / scale_or(scales[g], kOne);
    const float zero = ((exact < top ? exact : top) + kRounder) - kRounder;
    zeros[g] = static_cast<uint8_t>(static_cast<int32_t>(zero));
  }
}

}  // namespace

void invert_scales(uint64_t n_groups, const GroupScales& out) noexcept {
  const float* scales = out.scales;
  float* reciprocals = out.reciprocals;
  for (uint64_t g = 0; g < n_groups; ++g) {
    const auto bits = std::bit_cast<int32_t>(scales[g]);
    const auto inverse = std::bit_cast<int32_t>(1.0f / scale_or(scales[g], kOne));
    reciprocals[g] = std::bit_cast<float>(bits < kTinyScale ? 0 : inverse);
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
  for (uint64_t g = 0; g < n_groups; ++g) scales[g] = scale_or(scales[g], 0);
  if (form.half_scales) {
    for (uint64_t g = 0; g < n_groups; ++g) {
      scales[g] = scales[g] > 0.0f ? round_to_half(scales[g]) : 0.0f;
    }
  }
  if (!form.symmetric) choose_zeros(low, n_groups, form.bits, scales, out.zeros);
  invert_scales(n_groups, out);
}

}  // namespace cordwood::runtime
