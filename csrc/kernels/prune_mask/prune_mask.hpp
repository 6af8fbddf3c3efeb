// prune_mask: which weights stay, by their scores (docs/quantization.md, masks).
//
//     scores [row][input]   float32; a score is what it says (signed) or its magnitude
//     mask   [row][input]   one byte each: 1 stays, 0 goes
//
// All of them compare keys (step.h): integers that order like the scores, so that no instruction set
// and no floating-point mode can see an order of its own.
#pragma once

#include <cstdint>

#include "kernels/prune_mask/step.h"

namespace cordwood::kernels {

/// Most neighbours of a group of n:m.
inline constexpr uint32_t kPruneGroupMax = 64;

/// Sums that a block's inputs are dealt to, one after another.
inline constexpr uint32_t kPruneLanes = 16;

/// n:m: of every `of` neighbours the `keep` best; a shorter tail keeps its share, rounded up.
struct PruneGroups {
  const float* scores;
  uint8_t* mask;
  uint64_t n_rows;
  uint64_t n_inputs;
  uint32_t keep;  ///< 1 to of
  uint32_t of;    ///< up to kPruneGroupMax
  uint32_t is_signed;
};

/// Whether a score is NaN: the mask is then of no use.
using PruneGroupsF32 = bool (*)(const PruneGroups& task) noexcept;

/// A range of keys cuts the scores in three: above it they stay, below it they go, within it they are
/// candidates, set down with their places for a choice to come. Of the mask, keys, and keys with places
/// any may be left out: null.
struct PruneSplit {
  const float* scores;
  uint8_t* mask;  ///< 1 above the range, 0 elsewhere; or null
  uint64_t n_scores;
  int32_t low;  ///< the range, both ends within
  int32_t high;
  uint32_t is_signed;
  int32_t* keys;      ///< [capacity + 16] of the candidates, in order; or null
  uint32_t* places;   ///< [capacity + 16], or null; null where keys are
  uint64_t capacity;  ///< where there are more candidates, only their number is of use
};

struct PruneSplitCounts {
  uint64_t above;
  uint64_t within;
  bool has_nan;
};

using PruneSplitF32 = PruneSplitCounts (*)(const PruneSplit& task) noexcept;

/// Number of keys above `floor`.
using PruneCount = uint64_t (*)(const int32_t* keys, uint64_t n_keys, int32_t floor) noexcept;

/// Scores of the blocks of one strip of rows: columns are added down the rows, then dealt to 16 sums
/// in turn, and these folded by halves. A block cut short counts as filled up with zeros.
struct PruneSums {
  const float* scores;
  float* sums;  ///< [ceil(n_inputs / block_inputs)]
  uint64_t n_rows;
  uint64_t n_inputs;
  uint64_t block_inputs;
  uint32_t is_signed;
};

using PruneSumsF32 = void (*)(const PruneSums& task) noexcept;

#define CORDWOOD_DECLARE_PRUNE_MASK(isa)                                                           \
  namespace isa {                                                                                  \
  bool prune_groups_f32(const PruneGroups& task) noexcept;                                         \
  PruneSplitCounts prune_split_f32(const PruneSplit& task) noexcept;                               \
  uint64_t prune_count(const int32_t* keys, uint64_t n_keys, int32_t floor) noexcept;              \
  void prune_sums_f32(const PruneSums& task) noexcept;                                             \
  }

CORDWOOD_DECLARE_PRUNE_MASK(scalar)
CORDWOOD_DECLARE_PRUNE_MASK(avx2)
CORDWOOD_DECLARE_PRUNE_MASK(avx512)
#undef CORDWOOD_DECLARE_PRUNE_MASK

}  // namespace cordwood::kernels
