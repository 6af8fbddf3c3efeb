// The best scores of a row by halving ranges of keys: what short and long rows share.
#pragma once

#include "runtime/mask_parts.hpp"

namespace cordwood::runtime {

/// Places past the capacity that a split may write to.
inline constexpr uint64_t kMaskSlack = 16;
/// Scores are sampled in runs of neighbours; a run is asked for so many runs before it is read.
inline constexpr uint64_t kRunsAhead = 8;

struct KeyRange {
  int32_t low;
  int32_t high;
};

/// The keys of all scores, and a range that none or all of them are above.
inline constexpr KeyRange kAllKeys{INT32_MIN, INT32_MAX};
inline constexpr KeyRange kNoKeys{INT32_MAX, INT32_MAX};
inline constexpr KeyRange kBelowKeys{INT32_MIN, INT32_MIN};

/// Candidates of one piece of a row, and what its split counted.
struct Candidates {
  int32_t* keys;     ///< null for none
  uint32_t* places;  ///< null for none
  uint64_t capacity;
  kernels::PruneSplitCounts counts{};
};

/// Where `rank` keys from the top end, of keys that `count_above(key)` counts: a key that at most `rank`
/// are above, and at least `rank` are not below. It lies within `range`, `n_keys` of them do, or some more
/// than do. Keys of a narrow range lie all but evenly, so that a guess by share mostly ends it in a
/// few counts; after a guess that has not halved the range, halving does.
template <class CountAbove>
int32_t find_rank(KeyRange range, uint64_t rank, uint64_t n_keys,
                  const CountAbove& count_above) noexcept {
  int64_t low = range.low;
  int64_t high = range.high;
  auto above_low = static_cast<double>(n_keys);
  double above_high = 0.0;
  bool halve = false;
  while (low < high) {
    const int64_t width = high - low;
    const double share = (above_low - static_cast<double>(rank)) / (above_low - above_high);
    const auto guess = static_cast<int64_t>(share * static_cast<double>(width));
    const int64_t middle = low + (halve ? (width + 1) / 2 : std::clamp<int64_t>(guess, 1, width));
    const uint64_t above = count_above(static_cast<int32_t>(middle - 1));
    if (above == rank) return static_cast<int32_t>(middle);
    if (above > rank) {
      low = middle;
      above_low = static_cast<double>(above);
    } else {
      high = middle - 1;
      above_high = static_cast<double>(above);
    }
    halve = high - low > width / 2;
  }
  return static_cast<int32_t>(low);
}

/// One row, its best `keep`, its mask.
struct MaskRow {
  const float* scores;
  uint8_t* mask;
  uint64_t n;
  uint64_t keep;
  uint32_t is_signed;
};

/// Whether the last one to stay is above the range or within it, so that the split decided the rest.
[[nodiscard]] inline bool decides(const kernels::PruneSplitCounts& counts, uint64_t keep) noexcept {
  return counts.above <= keep && keep <= counts.above + counts.within;
}

/// Where, by a sample of `n_sample` keys, the last of `keep` in `n` lies.
[[nodiscard]] KeyRange judge_sample(const ArrayKernels& kernels, const int32_t* sample,
                                    uint64_t n_sample, uint64_t keep, uint64_t n) noexcept;

/// Writes the mask where `row` has one, and candidates where `room` has place.
kernels::PruneSplitCounts split_row(const ArrayKernels& kernels, const MaskRow& row, KeyRange range,
                                    const Candidates& room) noexcept;

/// Writes the mask: 1 above `key`.
kernels::PruneSplitCounts mark_above(const ArrayKernels& kernels, const MaskRow& row,
                                     int32_t key) noexcept;

/// Marks the first `ties` scores that equal `key`.
void mark_ties(const MaskRow& row, int32_t key, uint64_t ties) noexcept;

/// Keys of `count` scores from `first` on.
void take_keys(const ArrayKernels& kernels, const MaskRow& row, uint64_t first, uint64_t count,
               int32_t* keys) noexcept;

/// Marks candidates above `key`, and the first `ties` of those equal to it; how many ties are left.
uint64_t mark_candidates(const Candidates& found, int32_t key, uint64_t ties,
                         uint8_t* mask) noexcept;

/// Chooses from a row of more than kMaskPiece scores, with all threads; NaN is for the caller to name.
Status choose_long(MaskContext& context, const MaskRow& row, const MaskRun& run,
                   bool& has_nan) noexcept;

}  // namespace cordwood::runtime
