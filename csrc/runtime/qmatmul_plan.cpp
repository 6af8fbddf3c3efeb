#include "runtime/qmatmul_plan.hpp"

#include <algorithm>
#include <cstring>

namespace cordwood::runtime {
namespace {

using kernels::kMaxGroupSteps;
using kernels::kMaxSymmetricSteps;
using kernels::kPanelOutputs;
using kernels::kStepBytes;
using kernels::kStepInputs;

constexpr uint64_t kRoundInputs = 32;  // 8 steps: the least that all widths of codes share
constexpr uint64_t kMaxGroupInputs = uint64_t{kMaxGroupSteps} * kStepInputs;
constexpr uint64_t kMaxSymmetricInputs = uint64_t{kMaxSymmetricSteps} * kStepInputs;
constexpr uint64_t kMaxInputs = uint64_t{1} << 31;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

constexpr uint64_t bytes_of_output(uint64_t n_inputs, uint32_t bits) noexcept {
  return divide_up(n_inputs * bits, 8);
}

Status check(const PackedCodes& codes) noexcept {
  const bool known = codes.bits == 8 || (codes.bits >= 2 && codes.bits <= 4);
  if (!known || codes.n_outputs == 0 || codes.n_inputs == 0 || codes.n_inputs > kMaxInputs ||
      codes.group_size % kRoundInputs != 0 || codes.group_size > kMaxGroupInputs) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "quantised matrix",
                "{} outputs, {} inputs, {} bits, groups of {}", codes.n_outputs, codes.n_inputs,
                codes.bits, codes.group_size);
  }
  const uint64_t n_groups = codes.group_size == 0 ? 1 : divide_up(codes.n_inputs, codes.group_size);
  const uint64_t n_scales = codes.n_outputs * n_groups;
  const uint64_t n_bytes = codes.n_outputs * bytes_of_output(codes.n_inputs, codes.bits);
  if (codes.payload.size() != n_bytes || codes.scales.size() != n_scales ||
      (!codes.zeros.empty() && codes.zeros.size() != n_scales)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "quantised matrix",
                "{} bytes of codes and {} scales; expected {} and {}", codes.payload.size(),
                codes.scales.size(), n_bytes, n_scales);
  }
  return {};
}

uint32_t load_word(const uint8_t* from) noexcept {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/// Four codes of an output, a byte each, the first lowest; zeros past the last input.
uint32_t four_codes(const PackedCodes& codes, const uint8_t* output, uint64_t first) noexcept {
  if (first + kStepInputs <= codes.n_inputs) {
    const uint8_t* bytes = output + first * codes.bits / 8;
    if (codes.bits == 8) return load_word(bytes);
    if (codes.bits == 4) {
      const uint32_t low = bytes[0];
      const uint32_t high = bytes[1];
      return (low & 15u) | (low >> 4) << 8 | (high & 15u) << 16 | (high >> 4) << 24;
    }
  }
  uint32_t four = 0;
  const uint64_t end = std::min<uint64_t>(first + kStepInputs, codes.n_inputs);
  for (uint64_t input = first; input < end; ++input) {
    const uint64_t bit = input * codes.bits;
    const uint64_t last_byte = (bit + codes.bits - 1) / 8;
    const uint32_t low = output[bit / 8];
    const uint32_t high = last_byte == bit / 8 ? 0u : output[last_byte];
    const uint32_t code = ((low | high << 8) >> (bit % 8)) & ((1u << codes.bits) - 1u);
    four |= code << (8 * (input - first));
  }
  return four;
}

int32_t sum_of_bytes(uint32_t four) noexcept {
  const uint32_t pairs = (four & 0x00FF00FFu) + (four >> 8 & 0x00FF00FFu);
  return static_cast<int32_t>((pairs & 0xFFFFu) + (pairs >> 16));
}

/// Puts four codes of one output where their step lies in packed steps; shifted, codes stay within
/// their bytes.
void put_step(uint8_t* steps, uint32_t bits, uint64_t step, uint32_t output,
              uint32_t four) noexcept {
  const auto add = [&](uint64_t row, uint32_t word) {
    uint8_t* place = steps + row * kStepBytes + output * kStepInputs;
    const uint32_t together = load_word(place) | word;
    std::memcpy(place, &together, sizeof together);
  };
  switch (bits) {
    case 8:
      return add(step, four);
    case 4:
      return add(step / 2, four << (step % 2 * 4));
    case 2:
      return add(step / 4, four << (step % 4 * 2));
    default:
      add(step / 8 * 3 + step % 8 / 4, (four & 0x03030303u) << (step % 4 * 2));
      add(step / 8 * 3 + 2, (four >> 2 & 0x01010101u) << (step % 8));
  }
}

}  // namespace

Result<QmatmulPlan> QmatmulPlan::build(const PackedCodes& codes) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(codes));
  return guard_memory("weights of a product", [&]() -> Result<QmatmulPlan> {
    QmatmulPlan plan;
    const uint64_t padded = divide_up(codes.n_inputs, kRoundInputs) * kRoundInputs;
    const uint64_t piece = codes.zeros.empty() ? kMaxSymmetricInputs : kMaxGroupInputs;
    const uint64_t group = codes.group_size != 0 ? codes.group_size : std::min(padded, piece);
    const uint64_t n_groups = divide_up(padded, group);
    plan.bits_ = codes.bits;
    plan.n_outputs_ = codes.n_outputs;
    plan.n_inputs_ = codes.n_inputs;
    plan.n_panels_ = divide_up(codes.n_outputs, kPanelOutputs);
    plan.n_groups_ = static_cast<uint32_t>(n_groups);
    plan.group_steps_ = static_cast<uint32_t>(group / kStepInputs);
    plan.last_steps_ = static_cast<uint32_t>((padded - (n_groups - 1) * group) / kStepInputs);
    plan.panel_bytes_ = padded * kPanelOutputs * codes.bits / 8;
    // Kernels ask for memory a little ahead of what they read, never read it.
    plan.panels_.resize(plan.n_panels_ * plan.panel_bytes_);
    plan.scales_.resize(plan.n_panels_ * n_groups * kPanelOutputs);
    plan.columns_.resize(plan.scales_.size());
    if (!codes.zeros.empty()) plan.zeros_.resize(plan.scales_.size());
    for (uint64_t panel = 0; panel < plan.n_panels_; ++panel) plan.lay_panel(codes, panel);
    return plan;
  });
}

Result<QmatmulPlan> QmatmulPlan::build(kernels::WeightKind kind, std::span<const std::byte> numbers,
                                       uint64_t n_outputs, uint64_t n_inputs) noexcept {
  const uint64_t width = kind == kernels::WeightKind::float32 ? 4 : 2;
  if (n_outputs == 0 || n_inputs == 0 || n_inputs > kMaxInputs ||
      numbers.size() != n_outputs * n_inputs * width) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "weights",
                "{} bytes for {} outputs and {} inputs of {} bytes", numbers.size(), n_outputs,
                n_inputs, width);
  }
  return guard_memory("weights of a product", [&]() -> Result<QmatmulPlan> {
    QmatmulPlan plan;
    plan.kind_ = kind;
    plan.n_outputs_ = n_outputs;
    plan.n_inputs_ = n_inputs;
    plan.n_panels_ = divide_up(n_outputs, kPanelOutputs);
    const bool pairs = kind == kernels::WeightKind::bfloat16;
    plan.panel_bytes_ = (pairs ? n_inputs + n_inputs % 2 : n_inputs) * kPanelOutputs * width;
    plan.panels_.resize(plan.n_panels_ * plan.panel_bytes_);
    for (uint64_t output = 0; output < n_outputs; ++output) {
      const std::byte* from = numbers.data() + output * n_inputs * width;
      uint8_t* to = plan.panels_.data() + output / kPanelOutputs * plan.panel_bytes_;
      const uint64_t within = output % kPanelOutputs;
      for (uint64_t input = 0; input < n_inputs; ++input) {
        const uint64_t place = pairs ? (input / 2 * kPanelOutputs + within) * 2 + input % 2
                                     : input * kPanelOutputs + within;
        std::memcpy(to + place * width, from + input * width, width);
      }
    }
    return plan;
  });
}

void QmatmulPlan::lay_panel(const PackedCodes& codes, uint64_t panel) noexcept {
  const uint64_t output_bytes = bytes_of_output(codes.n_inputs, codes.bits);
  const uint64_t source_groups = codes.scales.size() / codes.n_outputs;
  const uint64_t first = panel * kPanelOutputs;
  const uint64_t count = std::min<uint64_t>(kPanelOutputs, codes.n_outputs - first);
  for (uint64_t group = 0; group < n_groups_; ++group) {
    const uint64_t first_step = group * group_steps_;
    uint8_t* steps = panels_.data() + panel * panel_bytes_ + first_step * kStepBytes * bits_ / 8;
    const uint32_t n_steps = group + 1 == n_groups_ ? last_steps_ : group_steps_;
    int32_t* columns = columns_.data() + (panel * n_groups_ + group) * kPanelOutputs;
    for (uint64_t step = 0; step < n_steps; ++step) {
      for (uint32_t output = 0; output < count; ++output) {
        const uint8_t* bytes = codes.payload.data() + (first + output) * output_bytes;
        const uint32_t four = four_codes(codes, bytes, (first_step + step) * kStepInputs);
        put_step(steps, bits_, step, output, four);
        columns[output] += sum_of_bytes(four);
      }
    }
    const uint64_t first_input = first_step * kStepInputs;
    const uint64_t n_inputs = std::min(n_steps * uint64_t{kStepInputs}, n_inputs_ - first_input);
    for (uint64_t output = 0; output < count; ++output) {
      // Pieces of an output without groups share its scale.
      const uint64_t from = (first + output) * source_groups + (codes.group_size != 0 ? group : 0);
      const uint64_t to = (panel * n_groups_ + group) * kPanelOutputs + output;
      scales_[to] = codes.scales[from];
      if (!zeros_.empty()) zeros_[to] = codes.zeros[from];
      const int32_t zero = zeros_.empty() ? 1 << (bits_ - 1) : zeros_[to];
      columns[output] -= zero * static_cast<int32_t>(n_inputs);
    }
  }
}

kernels::QmatmulWeights QmatmulPlan::weights_from(uint64_t panel) const noexcept {
  const uint64_t at = panel * n_groups_ * kPanelOutputs;  // 0 where there are no scales
  return {.panels = panels_.data() + panel * panel_bytes_,
          .scales = scales_.data() + at,
          .zeros = zeros_.empty() ? nullptr : zeros_.data() + at,
          .columns = columns_.data() + at,
          .panel_bytes = panel_bytes_,
          .n_groups = n_groups_,
          .group_steps = group_steps_,
          .last_steps = last_steps_,
          .bits = bits_};
}

}  // namespace cordwood::runtime
