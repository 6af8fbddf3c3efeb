#include "runtime/mask_rank.hpp"

#include <cmath>

namespace cordwood::runtime {
namespace {

/// Standard deviations of a sample's rank to either side.
constexpr double kSampleMargin = 5.0;

}  // namespace

KeyRange judge_sample(const ArrayKernels& kernels, const int32_t* sample, uint64_t n_sample,
                      uint64_t keep, uint64_t n) noexcept {
  const double share = static_cast<double>(keep) / static_cast<double>(n);
  const auto size = static_cast<double>(n_sample);
  const double margin = kSampleMargin * std::sqrt(size * share * (1.0 - share)) + 2.0;
  const double first = size * share - margin;
  const double last = size * share + margin;
  const auto count = [&](int32_t floor) { return kernels.prune_count(sample, n_sample, floor); };
  KeyRange range = kAllKeys;
  if (first >= 1.0) range.high = find_rank(kAllKeys, static_cast<uint64_t>(first), n_sample, count);
  if (last < size) {
    range.low =
        find_rank({INT32_MIN, range.high}, static_cast<uint64_t>(last) + 1, n_sample, count);
  }
  return range;
}

kernels::PruneSplitCounts split_row(const ArrayKernels& kernels, const MaskRow& row, KeyRange range,
                                    const Candidates& room) noexcept {
  return kernels.prune_split_f32({.scores = row.scores,
                                  .mask = row.mask,
                                  .n_scores = row.n,
                                  .low = range.low,
                                  .high = range.high,
                                  .is_signed = row.is_signed,
                                  .keys = room.keys,
                                  .places = room.places,
                                  .capacity = room.capacity});
}

kernels::PruneSplitCounts mark_above(const ArrayKernels& kernels, const MaskRow& row,
                                     int32_t key) noexcept {
  return split_row(kernels, row, {key, key}, {.keys = nullptr, .places = nullptr, .capacity = 0});
}

void mark_ties(const MaskRow& row, int32_t key, uint64_t ties) noexcept {
  for (uint64_t i = 0; ties > 0 && i < row.n; ++i) {
    if (cordwood_prune_key(row.scores[i], row.is_signed) != key) continue;
    row.mask[i] = 1;
    --ties;
  }
}

void take_keys(const ArrayKernels& kernels, const MaskRow& row, uint64_t first, uint64_t count,
               int32_t* keys) noexcept {
  const MaskRow part{row.scores + first, nullptr, count, 0, row.is_signed};
  split_row(kernels, part, kAllKeys, {.keys = keys, .places = nullptr, .capacity = count});
}

uint64_t mark_candidates(const Candidates& found, int32_t key, uint64_t ties,
                         uint8_t* mask) noexcept {
  // Copies: the bytes of the mask might be any of these, for all that the compiler knows.
  const int32_t* keys = found.keys;
  const uint32_t* places = found.places;
  const uint64_t n = found.counts.within;
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t tie = (keys[i] == key ? 1u : 0u) & (ties != 0 ? 1u : 0u);
    mask[places[i]] = static_cast<uint8_t>((keys[i] > key ? 1u : 0u) | tie);
    ties -= tie;
  }
  return ties;
}

}  // namespace cordwood::runtime
