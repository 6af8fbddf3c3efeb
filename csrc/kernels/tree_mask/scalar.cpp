// tree_mask, the reference: lane by lane, step by step.
#include "kernels/tree_mask/tree_mask.hpp"

namespace cordwood::kernels::scalar {
namespace {

uint32_t lowest_bit(uint64_t word) {
  uint32_t position = 0;
  while (((word >> position) & 1) == 0) ++position;
  return position;
}

template <class Word>
void mask_group(const MaskModel& model, const MaskGroup& group, const uint8_t* bins,
                uint32_t* leaves) {
  const auto* keep = static_cast<const Word*>(model.keep);
  for (uint32_t lane = 0; lane < model.lanes; ++lane) {
    Word left = static_cast<Word>(~Word{0});
    for (uint32_t step = 0; step < group.n_steps; ++step) {
      const uint64_t at = uint64_t{group.first_step + step} * model.lanes + lane;
      if (bins[model.columns[at]] > model.ranks[at]) left &= keep[at];
    }
    for (uint32_t i = 0; i < group.n_categories; ++i) {
      const MaskCategory& node = model.categories[group.first_category + i];
      const uint32_t bin = bins[node.column];
      const uint8_t* table = model.tables + 32 * uint64_t{node.table};
      if (node.lane == lane && ((table[bin >> 3] >> (bin & 7)) & 1) != 0) {
        left &= static_cast<Word>(node.keep);
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
