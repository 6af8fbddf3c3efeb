// tree_walk on AVX-512: eight walks to a vector, eight vectors in flight.
//
// A level costs two 8-lane gathers (node, bin) and some twenty cheap instructions a vector; where all
// walks read one row of up to 64 columns, its bins lie in registers and vpermw takes the place of the
// second gather. The chain node -> bin -> next node is latency, so 64 walks run side by side to hide
// it; what binds is the load ports while a tree fits the L2, and the misses beyond it. Walks end at
// different depths: every few levels a vector hands in the walks that have arrived and starts new
// ones in their lanes. Where walks are short or even, 64 start and end together instead.
#include <immintrin.h>

#include "kernels/tree_walk/step.h"
#include "kernels/tree_walk/tree_walk.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr unsigned kVectors = 8;
constexpr uint64_t kLanes = 8;
constexpr unsigned kStepsBetweenLooks = 3;
constexpr uint32_t kShortLevels = 3;  // walks of up to this many levels run in step

__m512i set1(uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}

// ---- where bins come from --------------------------------------------------------------------

struct ManyRows {
  const uint16_t* first;

  // `row` is the number of the row's first bin.
  [[gnu::always_inline]] __m512i at(__mmask8 lanes, __m512i row_u64x8, __m512i column_u64x8) const {
    const __m512i where = _mm512_add_epi64(row_u64x8, column_u64x8);
    const __m512i four =
        _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), lanes, where, first, 2);
    return _mm512_and_si512(four, set1(0xFFFF));
  }
};

// One row of up to 64 bins.
struct OneRow {
  __m512i low, high;

  explicit OneRow(const WalkTask& task) {
    const uint64_t used = (uint64_t{2} << (task.n_columns - 1)) - 1;
    low = _mm512_maskz_loadu_epi16(static_cast<__mmask32>(used), task.bins);
    high = _mm512_maskz_loadu_epi16(static_cast<__mmask32>(used >> 32), task.bins + 32);
  }
  [[gnu::always_inline]] __m512i at(__mmask8, __m512i, __m512i column_u64x8) const {
    return _mm512_and_si512(_mm512_permutex2var_epi16(low, column_u64x8, high), set1(0xFFFF));
  }
};

// ---- one level -------------------------------------------------------------------------------

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

// Eight walks.
struct Walkers {
  __m512i walk_u64x8;  // number of the walk
  __m512i place_u64x8;
  __m512i row_u64x8;  // number of the row's first bin
  __mmask8 busy;      // lanes that carry a walk
  __mmask8 moving;    // those that have not arrived
};

template <class Bins>
[[gnu::always_inline]] inline void take_step(const WalkModel& model, const Bins& bins,
                                             Walkers& walkers) {
  const __mmask8 moving = walkers.moving;
  const __m512i low16 = set1(0xFFFF);
  const __m512i node = _mm512_mask_i64gather_epi64(
      _mm512_setzero_si512(), moving, _mm512_and_si512(walkers.place_u64x8, set1(0xFFFFFFFF)),
      model.nodes, 8);
  const __m512i column = _mm512_srli_epi64(node, CORDWOOD_WALK_COLUMN_SHIFT);
  const __m512i bin = bins.at(moving, walkers.row_u64x8, column);
  const __m512i rank = _mm512_and_si512(_mm512_srli_epi64(node, CORDWOOD_WALK_RANK_SHIFT), low16);
  const __m512i raise =
      _mm512_and_si512(_mm512_srli_epi64(node, CORDWOOD_WALK_MISSING_SHIFT), set1(1));
  // Words wrap: 0xFFFF raised by one is zero.
  __mmask8 right =
      _mm512_cmpgt_epu64_mask(_mm512_add_epi16(bin, raise), _mm512_add_epi64(rank, raise));
  const __mmask8 category =
      _mm512_test_epi64_mask(node, set1(uint64_t{1} << CORDWOOD_WALK_CATEGORY_SHIFT));
  if (category != 0) {
    const __mmask8 missing_left = _mm512_test_epi64_mask(raise, raise);
    right = static_cast<__mmask8>((right & ~category) |
                                  set_goes_right(model, category, column, rank, bin, missing_left));
  }
  const __m512i distance = _mm512_and_si512(node, set1(CORDWOOD_WALK_DISTANCE_MASK));
  const __m512i both = _mm512_shuffle_epi32(distance, _MM_PERM_CCAA);  // node and leaf alike
  walkers.place_u64x8 = _mm512_mask_add_epi64(walkers.place_u64x8, moving, walkers.place_u64x8,
                                              _mm512_mask_mov_epi64(set1(1), right, both));
  const __m512i leaf_bit =
      _mm512_mask_mov_epi64(set1(uint64_t{1} << CORDWOOD_WALK_LEFT_LEAF_SHIFT), right,
                            set1(uint64_t{1} << CORDWOOD_WALK_RIGHT_LEAF_SHIFT));
  walkers.moving = _mm512_mask_testn_epi64_mask(moving, node, leaf_bit);
}

// ---- walks start and end ---------------------------------------------------------------------

__m512i places_of(const WalkTask& task, __mmask8 lanes, __m512i walk) {
  if (task.starts == nullptr) return set1(task.start);
  return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), lanes, walk, task.starts, 8);
}

__m512i rows_of(const WalkTask& task, __mmask8 lanes, __m512i walk) {
  const __m512i row = task.rows == nullptr
                          ? walk
                          : _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(
                                _mm256_setzero_si256(), lanes, walk, task.rows, 4));
  return _mm512_mul_epu32(row, set1(task.n_columns));
}

// Puts the walks in `lanes` of walk_u64x8 at their starts.
void place(const WalkTask& task, __mmask8 lanes, Walkers& walkers) {
  const __m512i walk = walkers.walk_u64x8;
  walkers.place_u64x8 =
      _mm512_mask_mov_epi64(walkers.place_u64x8, lanes, places_of(task, lanes, walk));
  if (!task.one_row) {
    walkers.row_u64x8 = _mm512_mask_mov_epi64(walkers.row_u64x8, lanes, rows_of(task, lanes, walk));
  }
  const auto arrived = static_cast<__mmask8>(_mm512_movepi64_mask(walkers.place_u64x8));
  walkers.busy = static_cast<__mmask8>(walkers.busy | lanes);
  walkers.moving = static_cast<__mmask8>((walkers.moving & ~lanes) | (lanes & ~arrived));
}

__m512i numbers_from(uint64_t first) {
  return _mm512_add_epi64(set1(first), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
}

// Starts the next walks in the empty `lanes`, as far as there are any.
void refill(const WalkTask& task, __mmask8 lanes, uint64_t& next, Walkers& walkers) {
  const __m512i walk = _mm512_mask_expand_epi64(walkers.walk_u64x8, lanes, numbers_from(next));
  const __mmask8 starts = _mm512_mask_cmplt_epu64_mask(lanes, walk, set1(task.n_walks));
  next += static_cast<uint64_t>(__builtin_popcount(starts));
  walkers.busy = static_cast<__mmask8>(walkers.busy & ~lanes);
  walkers.walk_u64x8 = _mm512_mask_mov_epi64(walkers.walk_u64x8, starts, walk);
  place(task, starts, walkers);
}

template <class Bins>
void walk_and_refill(const WalkModel& model, const Bins& bins, const WalkTask& task) {
  Walkers walkers[kVectors] = {};
  uint64_t next = 0;
  unsigned busy = 0;
  for (Walkers& eight : walkers) {
    refill(task, 0xFF, next, eight);
    busy |= eight.busy;
  }
  while (busy != 0) {
    for (unsigned step = 0; step < kStepsBetweenLooks; ++step) {
#pragma GCC unroll 8
      for (Walkers& eight : walkers) take_step(model, bins, eight);
    }
    busy = 0;
    for (Walkers& eight : walkers) {
      const auto arrived = static_cast<__mmask8>(eight.busy & ~eight.moving);
      if (arrived != 0) {
        _mm512_mask_i64scatter_epi64(task.out, arrived, eight.walk_u64x8, eight.place_u64x8, 8);
        refill(task, arrived, next, eight);
      }
      busy |= eight.busy;
    }
  }
}

// Walks `first` to `first + 63` from start to end.
template <class Bins>
void walk_in_step(const WalkModel& model, const Bins& bins, const WalkTask& task, uint64_t first) {
  Walkers walkers[kVectors] = {};
  for (unsigned v = 0; v < kVectors; ++v) {
    walkers[v].walk_u64x8 = numbers_from(first + kLanes * v);
    place(task, _mm512_cmplt_epu64_mask(walkers[v].walk_u64x8, set1(task.n_walks)), walkers[v]);
  }
  for (uint32_t level = 0; level < task.levels; ++level) {
#pragma GCC unroll 8
    for (Walkers& eight : walkers) take_step(model, bins, eight);
  }
  for (unsigned v = 0; v < kVectors; ++v) {
    _mm512_mask_storeu_epi64(task.out + first + kLanes * v, walkers[v].busy,
                             walkers[v].place_u64x8);
  }
}

template <class Bins>
void walk(const WalkModel& model, const Bins& bins, const WalkTask& task) {
  if (!task.even && task.levels > kShortLevels) return walk_and_refill(model, bins, task);
  for (uint64_t first = 0; first < task.n_walks; first += kVectors * kLanes) {
    walk_in_step(model, bins, task, first);
  }
}

}  // namespace

void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept {
  if (task.n_walks == 0) return;
  if (task.one_row && task.n_columns >= 1 && task.n_columns <= 64) {
    walk(model, OneRow(task), task);
  } else {
    walk(model, ManyRows{task.bins}, task);
  }
}

}  // namespace cordwood::kernels::avx512
