// tree_walk on AVX-512: eight walks to a vector, eight vectors in flight.
//
// A level costs two 8-lane gathers (node, bin) and about ten cheap instructions a vector. The chain
// node -> bin -> next node is latency, so 64 walks run side by side to hide it; what binds is the
// load ports while a tree fits the L2, and the misses beyond it. A walk that has reached its leaf
// reads it again until all 64 have: the lane is masked, the line stays in L1.
#include <immintrin.h>

#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr uint64_t kLanes = 8;
constexpr uint64_t kVectors = 8;
constexpr uint64_t kGroup = kLanes * kVectors;

__m512i set1(uint64_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); }

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
  const __m512i word = _mm512_mask_i64gather_epi64(zero, found, _mm512_srli_epi64(bit, 6),
                                                   model.set_words, 8);
  const __m512i shifted = _mm512_srlv_epi64(word, _mm512_and_epi64(bit, set1(63)));
  const __mmask8 in_set = _mm512_mask_test_epi64_mask(found, shifted, set1(1));
  return static_cast<__mmask8>(in_set | (missing & ~missing_left));
}

// Where each walk of one vector stands, and which lanes still move.
struct Walkers {
  __m512i node_index_u64x8;
  __m512i bin_offset_u64x8;  // bytes from the first bin of the task
  __mmask8 moving;
};

void take_step(const WalkModel& model, const uint16_t* bins, Walkers& walkers) {
  const __m512i node = _mm512_i64gather_epi64(walkers.node_index_u64x8, model.nodes, 8);
  const auto moving = static_cast<__mmask8>(~leaves_of(node));
  walkers.moving = moving;
  const __m512i column = _mm512_srli_epi64(node, CORDWOOD_WALK_COLUMN_SHIFT);
  const __m512i where =
      _mm512_add_epi64(walkers.bin_offset_u64x8, _mm512_slli_epi64(column, 1));
  const __m512i low16 = set1(0xFFFF);
  const __m512i bin = _mm512_and_epi64(
      _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), moving, where, bins, 1), low16);
  const __m512i rank =
      _mm512_and_epi64(_mm512_srli_epi64(node, CORDWOOD_WALK_RANK_SHIFT), low16);
  const __m512i raise =
      _mm512_and_epi64(_mm512_srli_epi64(node, CORDWOOD_WALK_MISSING_SHIFT), set1(1));
  __mmask8 right =
      _mm512_mask_cmpgt_epu64_mask(moving, _mm512_and_epi64(_mm512_add_epi64(bin, raise), low16),
                                   _mm512_add_epi64(rank, raise));
  const __mmask8 category = _mm512_mask_test_epi64_mask(
      moving, node, set1(uint64_t{1} << CORDWOOD_WALK_CATEGORY_SHIFT));
  if (category != 0) {
    const __mmask8 missing_left = _mm512_test_epi64_mask(raise, raise);
    right = static_cast<__mmask8>((right & ~category) |
                                  set_goes_right(model, category, column, rank, bin, missing_left));
  }
  const __m512i distance = _mm512_mask_and_epi64(set1(1), right, node,
                                                 set1(CORDWOOD_WALK_DISTANCE_MASK));
  walkers.node_index_u64x8 =
      _mm512_mask_add_epi64(walkers.node_index_u64x8, moving, walkers.node_index_u64x8, distance);
}

// Lanes past the last walk repeat it; they are not stored.
Walkers start(const WalkTask& task, uint64_t first) {
  const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i walk =
      _mm512_min_epu64(_mm512_add_epi64(set1(first), lane), set1(task.n_walks - 1));
  Walkers walkers;
  walkers.node_index_u64x8 =
      task.roots != nullptr
          ? _mm512_cvtepu32_epi64(_mm512_i64gather_epi32(walk, task.roots, 4))
          : set1(task.root);
  walkers.bin_offset_u64x8 = _mm512_mullo_epi64(walk, set1(task.bin_step * sizeof(uint16_t)));
  walkers.moving = 0xFF;
  return walkers;
}

void store(const WalkModel& model, const WalkTask& task, uint64_t first, const Walkers& walkers) {
  const uint64_t left = task.n_walks - first;
  const auto lanes = static_cast<__mmask8>(left >= kLanes ? 0xFFu : (1u << left) - 1u);
  __m512i answer;
  if (task.answer == WalkAnswer::kPosition) {
    const __m512i roots = start(task, first).node_index_u64x8;
    answer = _mm512_sub_epi64(walkers.node_index_u64x8, roots);
  } else {
    answer = _mm512_and_epi64(_mm512_i64gather_epi64(walkers.node_index_u64x8, model.nodes, 8),
                              set1(CORDWOOD_WALK_ROW_MASK));
  }
  _mm512_mask_cvtepi64_storeu_epi32(task.out + first, lanes, answer);
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  for (uint64_t first = 0; first < task.n_walks; first += kGroup) {
    Walkers walkers[kVectors];
    for (uint64_t v = 0; v < kVectors; ++v) walkers[v] = start(task, first + v * kLanes);
    unsigned moving = 0xFF;
    while (moving != 0) {
      moving = 0;
#pragma GCC unroll 8
      for (uint64_t v = 0; v < kVectors; ++v) {
        take_step(model, task.bins, walkers[v]);
        moving |= walkers[v].moving;
      }
    }
    for (uint64_t v = 0; v < kVectors && first + v * kLanes < task.n_walks; ++v) {
      store(model, task, first + v * kLanes, walkers[v]);
    }
  }
}

}  // namespace cordwood::kernels::avx512icl
