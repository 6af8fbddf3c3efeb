// prune_mask, plainly: the definition that every other row equals.
#include "kernels/prune_mask/prune_mask.hpp"

namespace cordwood::kernels::scalar {
namespace {

/// Sum of column `k` down the rows.
float column_sum(const PruneSums& task, uint64_t k) noexcept {
  float sum = cordwood_prune_score(task.scores[k], task.is_signed);
  for (uint64_t row = 1; row < task.n_rows; ++row) {
    sum += cordwood_prune_score(task.scores[row * task.n_inputs + k], task.is_signed);
  }
  return sum;
}

}  // namespace

bool prune_groups_f32(const PruneGroups& task) noexcept {
  bool has_nan = false;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    for (uint64_t first = 0; first < task.n_inputs; first += task.of) {
      const uint64_t left = task.n_inputs - first;
      const uint32_t size = left < task.of ? static_cast<uint32_t>(left) : task.of;
      const uint64_t at = row * task.n_inputs + first;
      int32_t keys[kPruneGroupMax];
      for (uint32_t i = 0; i < size; ++i) {
        keys[i] = cordwood_prune_key(task.scores[at + i], task.is_signed);
        has_nan |= cordwood_prune_key_is_nan(keys[i]) != 0;
      }
      cordwood_prune_group(keys, size, cordwood_prune_kept(size, task.keep, task.of),
                           task.mask + at);
    }
  }
  return has_nan;
}

PruneSplitCounts prune_split_f32(const PruneSplit& task) noexcept {
  PruneSplitCounts counts{0, 0, false};
  for (uint64_t i = 0; i < task.n_scores; ++i) {
    const int32_t key = cordwood_prune_key(task.scores[i], task.is_signed);
    counts.has_nan |= cordwood_prune_key_is_nan(key) != 0;
    if (task.mask != nullptr) task.mask[i] = key > task.high ? 1 : 0;
    if (key > task.high) {
      ++counts.above;
    } else if (key >= task.low) {
      if (task.keys != nullptr && counts.within < task.capacity) {
        task.keys[counts.within] = key;
        if (task.places != nullptr) task.places[counts.within] = static_cast<uint32_t>(i);
      }
      ++counts.within;
    }
  }
  return counts;
}

uint64_t prune_count(const int32_t* keys, uint64_t n_keys, int32_t floor) noexcept {
  uint64_t count = 0;
  for (uint64_t i = 0; i < n_keys; ++i) count += keys[i] > floor ? 1u : 0u;
  return count;
}

void prune_sums_f32(const PruneSums& task) noexcept {
  for (uint64_t first = 0; first < task.n_inputs; first += task.block_inputs) {
    const uint64_t left = task.n_inputs - first;
    const uint64_t size = left < task.block_inputs ? left : task.block_inputs;
    float lanes[kPruneLanes] = {};
    for (uint64_t k = 0; k < size; ++k) lanes[k % kPruneLanes] += column_sum(task, first + k);
    for (uint32_t half = kPruneLanes / 2; half > 0; half /= 2) {
      for (uint32_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    task.sums[first / task.block_inputs] = lanes[0];
  }
}

}  // namespace cordwood::kernels::scalar
