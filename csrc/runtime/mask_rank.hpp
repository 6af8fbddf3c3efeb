// The best scores of a row by halving ranges of keys: what short and long rows share.
#pragma once

#include <memory>
#include <new>

#include "runtime/mask_parts.hpp"

namespace cordwood::runtime {

/// Places past the capacity that a split may write to.
inline constexpr uint64_t kMaskSlack = 16;

struct KeyRange {
  int32_t low;
  int32_t high;
};

/// The keys of all scores, and a range that none or all of them are above.
inline constexpr KeyRange kAllKeys{INT32_MIN, INT32_MAX};
inline constexpr KeyRange kNoKeys{INT32_MAX, INT32_MAX};
inline constexpr KeyRange kBelowKeys{INT32_MIN, INT32_MIN};

template <class T>
std::unique_ptr<T[]> room_for(uint64_t n) noexcept {
  return std::unique_ptr<T[]>(new (std::nothrow) T[n]);
}

/// Candidates of one piece of a row, and what its split counted.
struct Candidates {
  int32_t* keys;
  uint32_t* places;
  uint64_t capacity;
  kernels::PruneSplitCounts counts{};
};

/// The key of rank `rank` from the top (1 the largest) of keys that `count_above(key)` counts; it lies
/// within `range`.
template <class CountAbove>
int32_t find_rank(KeyRange range, uint64_t rank, const CountAbove& count_above) noexcept {
  int64_t low = range.low;
  int64_t high = range.high;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (count_above(static_cast<int32_t>(middle - 1)) >= rank) {
      low = middle;
    } else {
      high = middle - 1;
    }
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

kernels::PruneSplitCounts split_row(const ArrayKernels& kernels, const MaskRow& row, KeyRange range,
                                    const Candidates& room) noexcept;

/// Marks candidates above `key`, and the first `ties` of those equal to it; how many ties are left.
uint64_t mark_candidates(const Candidates& found, int32_t key, uint64_t ties,
                         uint8_t* mask) noexcept;

/// Chooses from a row of more than kMaskPiece scores, with all threads; NaN is for the caller to name.
Status choose_long(const MaskRow& row, const MaskRun& run, bool& has_nan) noexcept;

}  // namespace cordwood::runtime
