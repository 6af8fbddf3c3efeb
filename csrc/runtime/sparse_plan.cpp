#include "runtime/sparse_plan.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace cordwood::runtime {
namespace {

using kernels::kEightBytes;
using kernels::kQuadBytes;
using kernels::kQuadInputs;
using kernels::kSlotBytes;
using kernels::kSparseGroup;
using kernels::kSparsePanel;
using kernels::kWindowInputs;

constexpr uint64_t kGroupsOfPanel = kSparsePanel / kSparseGroup;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// Outputs of a group: none in the last panel's second one, perhaps.
uint64_t group_outputs(const SparseCodes& source, uint64_t group) noexcept {
  const uint64_t first = group * kSparseGroup;
  return first >= source.n_outputs ? 0 : std::min<uint64_t>(kSparseGroup, source.n_outputs - first);
}

const int8_t* output_of(const SparseCodes& source, uint64_t output) noexcept {
  return source.codes.data() + output * source.n_inputs;
}

}  // namespace

Result<SparsePlan> SparsePlan::build(kernels::SparseKind kind, const SparseCodes& source) noexcept {
  if (source.n_outputs == 0 || source.n_inputs == 0 ||
      source.n_inputs > kernels::kSparseMaxInputs ||
      source.codes.size() != source.n_outputs * source.n_inputs ||
      source.scales.size() != source.n_outputs) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "sparse matrix",
                "{} codes and {} scales for {} outputs and {} inputs", source.codes.size(),
                source.scales.size(), source.n_outputs, source.n_inputs);
  }
  return guard_memory("weights of a product", [&]() -> Result<SparsePlan> {
    SparsePlan plan;
    plan.kind_ = kind;
    plan.n_outputs_ = source.n_outputs;
    plan.n_inputs_ = source.n_inputs;
    plan.n_panels_ = divide_up(source.n_outputs, kSparsePanel);
    plan.scales_.resize(plan.n_panels_ * kSparsePanel);
    plan.offsets_.resize(plan.n_panels_ * kSparsePanel);
    std::copy(source.scales.begin(), source.scales.end(), plan.scales_.begin());
    for (uint64_t output = 0; output < source.n_outputs; ++output) {
      const int8_t* from = output_of(source, output);
      const int32_t sum = std::accumulate(from, from + source.n_inputs, int32_t{0});
      plan.offsets_[output] = -kernels::kSparseZero * sum;
    }
    switch (kind) {
      case kernels::SparseKind::pairs:
        plan.n_parts_ = divide_up(source.n_inputs, kQuadInputs);
        plan.codes_.resize(plan.n_panels_ * plan.n_parts_ * kQuadBytes);
        CORDWOOD_RETURN_IF_FAILED(plan.lay_pairs(source));
        break;
      case kernels::SparseKind::blocks:
        plan.lay_blocks(source);
        break;
      case kernels::SparseKind::slots:
        plan.lay_slots(source);
        break;
    }
    return plan;
  });
}

Status SparsePlan::lay_pairs(const SparseCodes& source) noexcept {
  for (uint64_t output = 0; output < n_outputs_; ++output) {
    const int8_t* from = output_of(source, output);
    uint8_t* to =
        codes_.data() + output / kSparsePanel * n_parts_ * kQuadBytes + output % kSparsePanel * 4;
    for (uint64_t four = 0; four < n_inputs_; four += 4) {
      uint8_t* quad = to + four / kQuadInputs * kQuadBytes;
      const uint64_t slot = four % kQuadInputs / 8;
      const uint64_t half = four % 8 / 2;
      const uint64_t count = std::min<uint64_t>(4, n_inputs_ - four);
      uint64_t kept = 0;
      for (uint64_t i = 0; i < count; ++i) {
        const int8_t code = from[four + i];
        if (code == 0) continue;
        if (kept == 2) {
          return fail(CORDWOOD_STATUS_shape_mismatch, "sparse matrix",
                      "output {} keeps more than two of the four inputs from {} on", output, four);
        }
        const uint64_t byte = half + kept++;
        quad[byte] = static_cast<uint8_t>(quad[byte] | i << (2 * slot));
        quad[128 + slot * 128 + byte] = static_cast<uint8_t>(code);
      }
    }
  }
  return {};
}

void SparsePlan::lay_blocks(const SparseCodes& source) {
  const uint64_t n_groups = n_panels_ * kGroupsOfPanel;
  starts_.assign(n_groups + 1, 0);
  for (uint64_t group = 0; group < n_groups; ++group) {
    const uint64_t outputs = group_outputs(source, group);
    const int8_t* first = output_of(source, group * kSparseGroup);
    uint64_t kept = 0;
    for (uint64_t input = 0; input < n_inputs_; ++input) {
      bool any = false;
      for (uint64_t o = 0; o < outputs; ++o) any = any || first[o * n_inputs_ + input] != 0;
      if (!any) continue;
      if (kept % 8 == 0) {
        inputs_.insert(inputs_.end(), 8, static_cast<uint16_t>(input));
        codes_.insert(codes_.end(), kEightBytes, 0);
      }
      inputs_[inputs_.size() - 8 + kept % 8] = static_cast<uint16_t>(input);
      uint8_t* eight = codes_.data() + codes_.size() - kEightBytes + kept % 8;
      for (uint64_t o = 0; o < outputs; ++o) {
        eight[8 * o] = static_cast<uint8_t>(first[o * n_inputs_ + input]);
      }
      ++kept;
    }
    starts_[group + 1] = inputs_.size() / 8;
  }
}

void SparsePlan::lay_slots(const SparseCodes& source) {
  const uint64_t n_groups = n_panels_ * kGroupsOfPanel;
  n_parts_ = divide_up(n_inputs_, kWindowInputs);
  starts_.assign(n_groups + 1, 0);
  counts_.assign(n_groups * n_parts_, 0);
  for (uint64_t group = 0; group < n_groups; ++group) {
    for (uint64_t window = 0; window < n_parts_; ++window) {
      const uint64_t first = window * kWindowInputs;
      const uint64_t count = std::min<uint64_t>(kWindowInputs, n_inputs_ - first);
      const uint64_t begin = codes_.size();
      for (uint64_t o = 0; o < group_outputs(source, group); ++o) {
        const int8_t* from = output_of(source, group * kSparseGroup + o) + first;
        uint64_t kept = 0;
        for (uint64_t i = 0; i < count; ++i) {
          if (from[i] == 0) continue;
          const uint64_t at = begin + kept / 4 * kSlotBytes + 4 * o + kept % 4;
          if (at >= codes_.size()) codes_.resize(codes_.size() + kSlotBytes);
          codes_[at] = static_cast<uint8_t>(from[i]);
          codes_[at + 64] = static_cast<uint8_t>(i);
          ++kept;
        }
      }
      counts_[group * n_parts_ + window] =
          static_cast<uint8_t>((codes_.size() - begin) / kSlotBytes);
    }
    starts_[group + 1] = codes_.size() / kSlotBytes;
  }
}

kernels::SparseWeights SparsePlan::weights_from(uint64_t panel) const noexcept {
  const uint64_t group = panel * kGroupsOfPanel;
  const bool pairs = kind_ == kernels::SparseKind::pairs;
  return {.kind = kind_,
          .codes = codes_.data() + (pairs ? panel * n_parts_ * kQuadBytes : 0),
          .inputs = inputs_.data(),
          .counts = counts_.empty() ? nullptr : counts_.data() + group * n_parts_,
          .starts = starts_.empty() ? nullptr : starts_.data() + group,
          .scales = scales_.data() + panel * kSparsePanel,
          .offsets = offsets_.data() + panel * kSparsePanel,
          .n_parts = n_parts_};
}

uint64_t SparsePlan::n_bytes() const noexcept {
  return codes_.size() + inputs_.size() * sizeof(uint16_t) + counts_.size() +
         starts_.size() * sizeof(uint64_t) + scales_.size() * sizeof(float) +
         offsets_.size() * sizeof(int32_t);
}

}  // namespace cordwood::runtime
