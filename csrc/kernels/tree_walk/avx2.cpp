// tree_walk on AVX2: four walks to a vector, eight vectors in flight.
//
// A level costs two 4-lane gathers (node, bin) and about fifteen cheap instructions a vector. The
// chain node -> bin -> next node is latency, so 32 walks run side by side to hide it. A walk that has
// reached its leaf reads it again until all 32 have: the lane is masked, the line stays in L1.
#include <immintrin.h>

#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint64_t kLanes = 4;
constexpr uint64_t kVectors = 8;
constexpr uint64_t kGroup = kLanes * kVectors;

__m256i set1(uint64_t value) { return _mm256_set1_epi64x(static_cast<long long>(value)); }

__m256i gather64(const void* base, __m256i byte_offset, __m256i lanes) {
  return _mm256_mask_i64gather_epi64(_mm256_setzero_si256(), static_cast<const long long*>(base),
                                     byte_offset, lanes, 1);
}

__m256i gather32(const uint32_t* base, __m256i index, __m256i lanes) {
  const __m256i low = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  const __m128i lanes32 = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(lanes, low));
  return _mm256_cvtepu32_epi64(_mm256_mask_i64gather_epi32(
      _mm_setzero_si128(), reinterpret_cast<const int*>(base), index, lanes32, 4));
}

// Lanes of `category` that go right: looks up the bin's bit in the node's set.
__m256i set_goes_right(const WalkModel& model, __m256i category, __m256i column_u64x4,
                       __m256i rank_u64x4, __m256i bin_u64x4, __m256i missing_left) {
  const __m256i first_bit =
      gather64(model.column_set_bit, _mm256_slli_epi64(column_u64x4, 3), category);
  const __m256i step = gather32(model.column_set_step, column_u64x4, category);
  const __m256i missing =
      _mm256_and_si256(_mm256_cmpeq_epi64(bin_u64x4, set1(CORDWOOD_WALK_MISSING_BIN)), category);
  const __m256i bit = _mm256_add_epi64(
      _mm256_add_epi64(first_bit, _mm256_mul_epu32(rank_u64x4, step)), bin_u64x4);
  const __m256i found = _mm256_andnot_si256(missing, category);
  const __m256i word = gather64(model.set_words,
                                _mm256_slli_epi64(_mm256_srli_epi64(bit, 6), 3), found);
  const __m256i shifted = _mm256_srlv_epi64(word, _mm256_and_si256(bit, set1(63)));
  const __m256i in_set = _mm256_cmpeq_epi64(_mm256_and_si256(shifted, set1(1)), set1(1));
  return _mm256_or_si256(_mm256_and_si256(in_set, found),
                         _mm256_andnot_si256(missing_left, missing));
}

// Where each walk of one vector stands, and which lanes still move.
struct Walkers {
  __m256i node_index_u64x4;
  __m256i bin_offset_u64x4;  // bytes from the first bin of the task
  __m256i moving;
};

void take_step(const WalkModel& model, const uint16_t* bins, Walkers& walkers) {
  const __m256i node =
      _mm256_i64gather_epi64(reinterpret_cast<const long long*>(model.nodes),
                             walkers.node_index_u64x4, 8);
  const __m256i column = _mm256_srli_epi64(node, CORDWOOD_WALK_COLUMN_SHIFT);
  const __m256i moving =
      _mm256_xor_si256(_mm256_cmpeq_epi64(column, set1(CORDWOOD_WALK_LEAF_COLUMN)), set1(~0ull));
  walkers.moving = moving;
  const __m256i where =
      _mm256_add_epi64(walkers.bin_offset_u64x4, _mm256_slli_epi64(column, 1));
  const __m256i low16 = set1(0xFFFF);
  const __m256i bin = _mm256_and_si256(gather64(bins, where, moving), low16);
  const __m256i rank =
      _mm256_and_si256(_mm256_srli_epi64(node, CORDWOOD_WALK_RANK_SHIFT), low16);
  const __m256i raise =
      _mm256_and_si256(_mm256_srli_epi64(node, CORDWOOD_WALK_MISSING_SHIFT), set1(1));
  __m256i right = _mm256_cmpgt_epi64(_mm256_and_si256(_mm256_add_epi64(bin, raise), low16),
                                     _mm256_add_epi64(rank, raise));
  const __m256i category_bit = set1(uint64_t{1} << CORDWOOD_WALK_CATEGORY_SHIFT);
  const __m256i marked = _mm256_and_si256(node, category_bit);
  if (!_mm256_testz_si256(marked, moving)) {
    const __m256i category =
        _mm256_and_si256(_mm256_cmpeq_epi64(marked, category_bit), moving);
    const __m256i missing_left = _mm256_cmpeq_epi64(raise, set1(1));
    right = _mm256_blendv_epi8(
        right, set_goes_right(model, category, column, rank, bin, missing_left), category);
  }
  const __m256i distance = _mm256_blendv_epi8(
      set1(1), _mm256_and_si256(node, set1(CORDWOOD_WALK_DISTANCE_MASK)), right);
  walkers.node_index_u64x4 =
      _mm256_add_epi64(walkers.node_index_u64x4, _mm256_and_si256(distance, moving));
}

// Lanes past the last walk repeat it; they are not stored.
Walkers start(const WalkTask& task, uint64_t first) {
  alignas(32) uint64_t root[kLanes];
  alignas(32) uint64_t offset[kLanes];
  for (uint64_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t walk = first + lane < task.n_walks ? first + lane : task.n_walks - 1;
    root[lane] = task.roots != nullptr ? task.roots[walk] : task.root;
    offset[lane] = walk * task.bin_step * sizeof(uint16_t);
  }
  return {_mm256_load_si256(reinterpret_cast<const __m256i*>(root)),
          _mm256_load_si256(reinterpret_cast<const __m256i*>(offset)), set1(~0ull)};
}

void store(const WalkModel& model, const WalkTask& task, uint64_t first, const Walkers& walkers) {
  alignas(32) uint64_t index[kLanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(index), walkers.node_index_u64x4);
  for (uint64_t lane = 0; lane < kLanes && first + lane < task.n_walks; ++lane) {
    const uint64_t walk = first + lane;
    const uint64_t root = task.roots != nullptr ? task.roots[walk] : task.root;
    task.out[walk] = static_cast<uint32_t>(task.answer == WalkAnswer::kPosition
                                               ? index[lane] - root
                                               : model.nodes[index[lane]] & CORDWOOD_WALK_ROW_MASK);
  }
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  for (uint64_t first = 0; first < task.n_walks; first += kGroup) {
    Walkers walkers[kVectors];
    for (uint64_t v = 0; v < kVectors; ++v) walkers[v] = start(task, first + v * kLanes);
    __m256i moving = set1(~0ull);
    while (!_mm256_testz_si256(moving, moving)) {
      moving = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (uint64_t v = 0; v < kVectors; ++v) {
        take_step(model, task.bins, walkers[v]);
        moving = _mm256_or_si256(moving, walkers[v].moving);
      }
    }
    for (uint64_t v = 0; v < kVectors && first + v * kLanes < task.n_walks; ++v) {
      store(model, task, first + v * kLanes, walkers[v]);
    }
  }
}

}  // namespace cordwood::kernels::avx2
