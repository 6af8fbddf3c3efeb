// tree_mask, the reference: lane by lane, step by step.
#include "kernels/tree_mask/tree_mask.hpp"

namespace cordwood::kernels::scalar {
namespace {

uint32_t lowest_bit(uint64_t word) {
  uint32_t position = 0;
  while (((word >> position) & 1) == 0) ++position;
  return position;
}

// Whether lane `lane` goes right at step `step` of a run.
bool category_goes_right(const MaskModel& model, const MaskRun& run, uint32_t step, uint32_t lane,
                         const uint8_t* bins) {
  const uint64_t bit = ((uint64_t{bins[run.column]} * run.n_steps + step) * model.lanes) + lane;
  return ((model.bits[run.first_bit_byte + (bit >> 3)] >> (bit & 7)) & 1) != 0;
}

template <class Word>
void mask_group(const MaskModel& model, const MaskGroup& group, const uint8_t* bins,
                uint32_t* leaves) {
  const auto* keep = static_cast<const Word*>(model.keep);
  const auto* run_keep = static_cast<const Word*>(model.run_keep);
  for (uint32_t lane = 0; lane < model.lanes; ++lane) {
    Word left = static_cast<Word>(~Word{0});
    for (uint32_t step = 0; step < group.n_steps; ++step) {
      const uint64_t at = uint64_t{group.first_step + step} * model.lanes + lane;
      if (bins[model.columns[at]] > model.ranks[at]) left &= keep[at];
    }
    for (uint32_t r = 0; r < group.n_runs; ++r) {
      const MaskRun& run = model.runs[group.first_run + r];
      for (uint32_t step = 0; step < run.n_steps; ++step) {
        if (category_goes_right(model, run, step, lane, bins)) {
          left &= run_keep[uint64_t{run.first_step + step} * model.lanes + lane];
        }
      }
    }
    leaves[lane] = lowest_bit(left);
  }
}

}  // namespace

void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept {
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    if (model.lanes == kMaskLanes32) {
      mask_group<uint32_t>(model, model.groups[g], bins, leaves + g * model.lanes);
    } else {
      mask_group<uint64_t>(model, model.groups[g], bins, leaves + g * model.lanes);
    }
  }
}

}  // namespace cordwood::kernels::scalar
