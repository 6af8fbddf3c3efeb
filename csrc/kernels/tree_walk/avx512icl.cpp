// tree_walk on AVX-512: eight walks to a vector, eight vectors in flight.
//
// A level costs two 8-lane gathers (node, bin) and about ten cheap instructions a vector. The chain
// node -> bin -> next node is latency, so 64 walks run side by side to hide it; what binds is the
// load ports while a tree fits the L2, and the misses beyond it. Walks end at different depths: every
// few levels a vector hands in the walks that have arrived and starts new ones in their lanes. Where
// all walks are short that costs more than the idle lanes: 64 walks then start and end together.
#include <immintrin.h>

#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr unsigned kVectors = 8;

__m512i set1(uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}

__mmask8 leaves_of(__m512i node_u64x8) {
  return _mm512_cmpge_epu64_mask(
      node_u64x8, set1(uint64_t{CORDWOOD_WALK_LEAF_COLUMN} << CORDWOOD_WALK_COLUMN_SHIFT));
}

// Lanes of `category` that go right: looks up the bin's bit in the node's set.
__mmask8 set_goes_right(const WalkModel& model, __mmask8 category, __m512i column_u64x8,
                        __m512i rank_u64x8, __m512i bin_u64x8, __mmask8 missing_left) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i first_bit =
      _mm512_mask_i64gather_epi64(zero, category, column_u64x8, model.column_set_bit, 8);
  const __m512i step = _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(
      _mm256_setzero_si256(), category, column_u64x8, model.column_set_step, 4));
  const __mmask8 missing =
      _mm512_cmpeq_epu64_mask(bin_u64x8, set1(CORDWOOD_WALK_MISSING_BIN)) & category;
  const __m512i bit = _mm512_add_epi64(
      _mm512_add_epi64(first_bit, _mm512_mullo_epi64(rank_u64x8, step)), bin_u64x8);
  const auto found = static_cast<__mmask8>(category & ~missing);
  const __m512i word =
      _mm512_mask_i64gather_epi64(zero, found, _mm512_srli_epi64(bit, 6), model.set_words, 8);
  const __m512i shifted = _mm512_srlv_epi64(word, _mm512_and_epi64(bit, set1(63)));
  const __mmask8 in_set = _mm512_mask_test_epi64_mask(found, shifted, set1(1));
  return static_cast<__mmask8>(in_set | (missing & ~missing_left));
}

// Eight walks. A lane that has arrived reads its leaf again until it is emptied; a lane without a
// walk sits on the last leaf that it saw.
struct Walkers {
  __m512i walk_u64x8;  // number of the walk
  __m512i node_index_u64x8;
  __m512i bin_offset_u64x8;  // bytes from the first bin of the task
  __m512i node_u64x8;        // read in the last step
  __mmask8 busy;             // lanes that carry a walk
};

constexpr unsigned kStepsBetweenLooks = 3;
constexpr uint32_t kShortLevels = 3;  // walks of up to this many levels run in step
constexpr uint64_t kLanes = 8;

[[gnu::always_inline]] inline void take_step(const WalkModel& model, const uint16_t* bins,
                                             Walkers& walkers) {
  const __m512i node = _mm512_i64gather_epi64(walkers.node_index_u64x8, model.nodes, 8);
  const auto moving = static_cast<__mmask8>(~leaves_of(node));
  walkers.node_u64x8 = node;
  const __m512i column = _mm512_srli_epi64(node, CORDWOOD_WALK_COLUMN_SHIFT);
  const __m512i where = _mm512_add_epi64(walkers.bin_offset_u64x8, _mm512_slli_epi64(column, 1));
  const __m512i low16 = set1(0xFFFF);
  const __m512i bin = _mm512_and_epi64(
      _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), moving, where, bins, 1), low16);
  const __m512i rank = _mm512_and_epi64(_mm512_srli_epi64(node, CORDWOOD_WALK_RANK_SHIFT), low16);
  const __m512i raise =
      _mm512_and_epi64(_mm512_srli_epi64(node, CORDWOOD_WALK_MISSING_SHIFT), set1(1));
  __mmask8 right = _mm512_mask_cmpgt_epu64_mask(
      moving, _mm512_and_epi64(_mm512_add_epi64(bin, raise), low16), _mm512_add_epi64(rank, raise));
  const __mmask8 category =
      _mm512_mask_test_epi64_mask(moving, node, set1(uint64_t{1} << CORDWOOD_WALK_CATEGORY_SHIFT));
  if (category != 0) {
    const __mmask8 missing_left = _mm512_test_epi64_mask(raise, raise);
    right = static_cast<__mmask8>((right & ~category) |
                                  set_goes_right(model, category, column, rank, bin, missing_left));
  }
  const __m512i distance =
      _mm512_mask_and_epi64(set1(1), right, node, set1(CORDWOOD_WALK_DISTANCE_MASK));
  walkers.node_index_u64x8 =
      _mm512_mask_add_epi64(walkers.node_index_u64x8, moving, walkers.node_index_u64x8, distance);
}

__m512i roots_of(const WalkTask& task, __mmask8 lanes, __m512i walk) {
  if (task.roots == nullptr) return set1(task.root);
  return _mm512_cvtepu32_epi64(
      _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), lanes, walk, task.roots, 4));
}

// What is asked of walks whose leaves are in node_u64x8.
__m512i answers(const WalkTask& task, __mmask8 lanes, const Walkers& walkers) {
  if (task.answer == WalkAnswer::kLeafRow) return walkers.node_u64x8;  // its lower half
  return _mm512_sub_epi64(walkers.node_index_u64x8, roots_of(task, lanes, walkers.walk_u64x8));
}

void hand_in(const WalkTask& task, __mmask8 lanes, const Walkers& walkers) {
  _mm512_mask_i64scatter_epi32(task.out, lanes, walkers.walk_u64x8,
                               _mm512_cvtepi64_epi32(answers(task, lanes, walkers)), 4);
}

// Starts the next walks in the empty `lanes`, as far as there are any.
void refill(const WalkTask& task, __mmask8 lanes, uint64_t& next, Walkers& walkers) {
  const __m512i count = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i walk =
      _mm512_mask_expand_epi64(walkers.walk_u64x8, lanes, _mm512_add_epi64(set1(next), count));
  const __mmask8 starts = _mm512_mask_cmplt_epu64_mask(lanes, walk, set1(task.n_walks));
  next += static_cast<uint64_t>(__builtin_popcount(starts));
  walkers.busy = static_cast<__mmask8>((walkers.busy & ~lanes) | starts);
  walkers.walk_u64x8 = _mm512_mask_mov_epi64(walkers.walk_u64x8, starts, walk);
  walkers.node_index_u64x8 =
      _mm512_mask_mov_epi64(walkers.node_index_u64x8, starts, roots_of(task, starts, walk));
  walkers.bin_offset_u64x8 = _mm512_mask_mullo_epi64(walkers.bin_offset_u64x8, starts, walk,
                                                     set1(task.bin_step * sizeof(uint16_t)));
}

// Walks `first` to `first + 63` from start to end; lanes past the last walk repeat it.
void walk_in_step(const WalkModel& model, const WalkTask& task, uint64_t first) {
  const __m512i count = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  Walkers walkers[kVectors];
  for (unsigned v = 0; v < kVectors; ++v) {
    const __m512i walk =
        _mm512_min_epu64(_mm512_add_epi64(set1(first + kLanes * v), count), set1(task.n_walks - 1));
    walkers[v].walk_u64x8 = walk;
    walkers[v].node_index_u64x8 = roots_of(task, 0xFF, walk);
    walkers[v].bin_offset_u64x8 = _mm512_mullo_epi64(walk, set1(task.bin_step * sizeof(uint16_t)));
  }
  for (uint32_t level = 0; level < task.most_levels; ++level) {
#pragma GCC unroll 8
    for (Walkers& eight : walkers) take_step(model, task.bins, eight);
  }
  for (unsigned v = 0; v < kVectors && first + kLanes * v < task.n_walks; ++v) {
    const uint64_t left = task.n_walks - first - kLanes * v;
    const auto lanes = static_cast<__mmask8>(left >= kLanes ? 0xFFu : (1u << left) - 1u);
    walkers[v].node_u64x8 = _mm512_i64gather_epi64(walkers[v].node_index_u64x8, model.nodes, 8);
    _mm512_mask_cvtepi64_storeu_epi32(task.out + first + kLanes * v, lanes,
                                      answers(task, 0xFF, walkers[v]));
  }
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  if (task.n_walks == 0) return;
  if (task.most_levels <= kShortLevels) {
    for (uint64_t first = 0; first < task.n_walks; first += kVectors * kLanes) {
      walk_in_step(model, task, first);
    }
    return;
  }
  Walkers walkers[kVectors];
  uint64_t next = 0;
  unsigned busy = 0;
  for (Walkers& eight : walkers) {
    eight.walk_u64x8 = _mm512_setzero_si512();
    eight.bin_offset_u64x8 = _mm512_setzero_si512();
    eight.node_index_u64x8 = set1(task.roots != nullptr ? task.roots[0] : task.root);
    eight.busy = 0;
    refill(task, 0xFF, next, eight);
    busy |= eight.busy;
  }
  while (busy != 0) {
    for (unsigned step = 0; step < kStepsBetweenLooks; ++step) {
#pragma GCC unroll 8
      for (Walkers& eight : walkers) take_step(model, task.bins, eight);
    }
    busy = 0;
    for (Walkers& eight : walkers) {
      const auto arrived = static_cast<__mmask8>(leaves_of(eight.node_u64x8) & eight.busy);
      if (arrived != 0) {
        hand_in(task, arrived, eight);
        refill(task, arrived, next, eight);
      }
      busy |= eight.busy;
    }
  }
}

}  // namespace cordwood::kernels::avx512icl
