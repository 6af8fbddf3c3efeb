// prune_mask on AVX2: 8 scores to a vector, 32 to a store of the mask.
//
// n:m as on AVX-512, with comparisons that leave -1 in a lane, so that counting is a subtraction. The
// split has no instruction that presses lanes together: candidates are few, and are taken one by one.
#include <immintrin.h>

#include "kernels/prune_mask/prune_mask.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint64_t kLanes = 8;
constexpr uint64_t kStoreScores = 32;
/// Scores are asked for this many bytes before they are read.
constexpr uint64_t kBytesAhead = 16384;

__m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

// ---- scores to keys ------------------------------------------------------------------------------

/// Keys of 8 scores, and the largest magnitude so far.
template <bool kSigned>
struct Keys {
  __m256i largest_i32x8 = _mm256_setzero_si256();

  [[gnu::always_inline]] __m256i of(__m256i bits_i32x8) {
    const __m256i magnitude = _mm256_and_si256(bits_i32x8, _mm256_set1_epi32(0x7FFFFFFF));
    largest_i32x8 = _mm256_max_epi32(largest_i32x8, magnitude);
    if constexpr (!kSigned) return magnitude;
    const __m256i sign = _mm256_srai_epi32(bits_i32x8, 31);
    return _mm256_sub_epi32(_mm256_xor_si256(magnitude, sign), sign);
  }
  [[nodiscard]] bool has_nan() const {
    const __m256i infinity = _mm256_set1_epi32(CORDWOOD_PRUNE_INFINITY);
    return _mm256_movemask_epi8(_mm256_cmpgt_epi32(largest_i32x8, infinity)) != 0;
  }
};

/// Four vectors of 0 and -1 to 32 bytes of 0 and 1, in order.
[[gnu::always_inline]] inline void store_mask(uint8_t* mask, const __m256i (&stays)[4]) {
  const __m256i low = _mm256_packs_epi32(stays[0], stays[1]);
  const __m256i high = _mm256_packs_epi32(stays[2], stays[3]);
  const __m256i mixed = _mm256_packs_epi16(low, high);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(mixed, order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(mask),
                      _mm256_and_si256(bytes, _mm256_set1_epi8(1)));
}

// ---- n:m -----------------------------------------------------------------------------------------

/// Lane i of rotation d reads lane (i + d) of its group, which beats equals where it stands before.
template <uint32_t kOf>
struct Rotations {
  __m256i from[kOf];
  __m256i before[kOf];

  Rotations() {
    for (uint32_t d = 1; d < kOf; ++d) {
      alignas(32) int32_t lane_from[kLanes];
      alignas(32) int32_t lane_before[kLanes];
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        const uint32_t base = lane / kOf * kOf;
        const uint32_t other = base + (lane - base + d) % kOf;
        lane_from[lane] = static_cast<int32_t>(other);
        lane_before[lane] = other < lane ? 1 : 0;
      }
      from[d] = load(lane_from);
      before[d] = load(lane_before);
    }
  }
};

/// -1 in the lanes of those that stay.
template <uint32_t kOf>
[[gnu::always_inline]] inline __m256i choose(__m256i key, __m256i keep,
                                             const Rotations<kOf>& rotations) {
  __m256i beaten = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (uint32_t d = 1; d < kOf; ++d) {
    const __m256i other = _mm256_permutevar8x32_epi32(key, rotations.from[d]);
    const __m256i level = _mm256_sub_epi32(key, rotations.before[d]);
    beaten = _mm256_sub_epi32(beaten, _mm256_cmpgt_epi32(other, level));
  }
  return _mm256_cmpgt_epi32(keep, beaten);
}

template <bool kSigned, uint32_t kOf>
bool choose_rows(const PruneGroups& task) {
  const Rotations<kOf> rotations;
  const __m256i keep = _mm256_set1_epi32(static_cast<int32_t>(task.keep));
  Keys<kSigned> keys;
  bool has_nan = false;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    PruneGroups tail = task;
    tail.n_rows = 1;
    tail.scores += row * task.n_inputs;
    tail.mask += row * task.n_inputs;
    for (; tail.n_inputs >= kStoreScores; tail.n_inputs -= kStoreScores) {
      __m256i stays[4];
#pragma GCC unroll 4
      for (uint64_t part = 0; part < 4; ++part) {
        const float* at = tail.scores + part * kLanes;
        _mm_prefetch(reinterpret_cast<const char*>(at) + kBytesAhead, _MM_HINT_T0);
        stays[part] = choose<kOf>(keys.of(load(at)), keep, rotations);
      }
      store_mask(tail.mask, stays);
      tail.scores += kStoreScores;
      tail.mask += kStoreScores;
    }
    if (tail.n_inputs > 0) has_nan |= scalar::prune_groups_f32(tail);
  }
  return has_nan || keys.has_nan();
}

template <bool kSigned>
bool choose_any(const PruneGroups& task) {
  switch (task.of) {
    case 2:
      return choose_rows<kSigned, 2>(task);
    case 4:
      return choose_rows<kSigned, 4>(task);
    case 8:
      return choose_rows<kSigned, 8>(task);
    default:
      return scalar::prune_groups_f32(task);
  }
}

// ---- split -----------------------------------------------------------------------------------------

/// Sets down the candidates that the bits of `within` name, from score `at` on.
void set_down(const PruneSplit& task, uint64_t n_before, uint64_t at, __m256i key,
              uint32_t within) {
  alignas(32) int32_t keys[kLanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(keys), key);
  for (; within != 0; within &= within - 1) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(within));
    task.keys[n_before] = keys[lane];
    if (task.places != nullptr) task.places[n_before] = static_cast<uint32_t>(at + lane);
    ++n_before;
  }
}

uint32_t lane_bits(__m256i lanes) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

template <bool kSigned>
PruneSplitCounts split(const PruneSplit& task) {
  const __m256i high = _mm256_set1_epi32(task.high);
  const __m256i low = _mm256_set1_epi32(task.low);
  Keys<kSigned> keys;
  PruneSplitCounts counts{0, 0, false};
  const bool sets_down = task.keys != nullptr;
  uint64_t i = 0;
  for (; i + kStoreScores <= task.n_scores; i += kStoreScores) {
    __m256i stays[4];
#pragma GCC unroll 4
    for (uint64_t part = 0; part < 4; ++part) {
      const float* at = task.scores + i + part * kLanes;
      _mm_prefetch(reinterpret_cast<const char*>(at) + kBytesAhead, _MM_HINT_T0);
      const __m256i key = keys.of(load(at));
      const __m256i above = _mm256_cmpgt_epi32(key, high);
      const __m256i outside = _mm256_or_si256(above, _mm256_cmpgt_epi32(low, key));
      const uint32_t within = lane_bits(outside) ^ 0xFFu;
      if (within != 0 && sets_down && counts.within <= task.capacity) {
        set_down(task, counts.within, i + part * kLanes, key, within);
      }
      counts.within += static_cast<uint64_t>(__builtin_popcount(within));
      counts.above += static_cast<uint64_t>(__builtin_popcount(lane_bits(above)));
      stays[part] = above;
    }
    if (task.mask != nullptr) store_mask(task.mask + i, stays);
  }
  for (; i < task.n_scores; ++i) {
    const int32_t key = cordwood_prune_key(task.scores[i], kSigned ? 1 : 0);
    counts.has_nan |= cordwood_prune_key_is_nan(key) != 0;
    if (task.mask != nullptr) task.mask[i] = key > task.high ? 1 : 0;
    counts.above += key > task.high ? 1u : 0u;
    if (key > task.high || key < task.low) continue;
    if (sets_down && counts.within <= task.capacity) {
      task.keys[counts.within] = key;
      if (task.places != nullptr) task.places[counts.within] = static_cast<uint32_t>(i);
    }
    ++counts.within;
  }
  counts.has_nan |= keys.has_nan();
  return counts;
}

// ---- sums of blocks --------------------------------------------------------------------------------

/// Sums of 8 neighbouring columns down the rows, into `sums`.
template <bool kSigned>
void column_sums(const PruneSums& task, uint64_t k, float* sums) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(kSigned ? -1 : 0x7FFFFFFF));
  __m256 sum = _mm256_and_ps(_mm256_loadu_ps(task.scores + k), mask);
  for (uint64_t row = 1; row < task.n_rows; ++row) {
    const float* at = task.scores + row * task.n_inputs + k;
    sum = _mm256_add_ps(sum, _mm256_and_ps(_mm256_loadu_ps(at), mask));
  }
  _mm256_storeu_ps(sums, sum);
}

template <bool kSigned>
float column_sum(const PruneSums& task, uint64_t k) {
  float sum = kSigned ? task.scores[k] : __builtin_fabsf(task.scores[k]);
  for (uint64_t row = 1; row < task.n_rows; ++row) {
    const float score = task.scores[row * task.n_inputs + k];
    sum += kSigned ? score : __builtin_fabsf(score);
  }
  return sum;
}

/// Sums of `count` columns, up to 16.
template <bool kSigned>
void columns_of(const PruneSums& task, uint64_t k, uint64_t count, float* sums) {
  uint64_t done = 0;
  for (; done + kLanes <= count; done += kLanes) column_sums<kSigned>(task, k + done, sums + done);
  for (; done < count; ++done) sums[done] = column_sum<kSigned>(task, k + done);
}

/// Folds halves, quarters and so on down to the first lane.
float fold(float (&lanes)[kPruneLanes]) {
  for (uint64_t half = kPruneLanes / 2; half > 0; half /= 2) {
    for (uint64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <bool kSigned>
void add_wide_blocks(const PruneSums& task) {
  for (uint64_t first = 0; first < task.n_inputs; first += task.block_inputs) {
    const uint64_t left = task.n_inputs - first;
    const uint64_t end = first + (left < task.block_inputs ? left : task.block_inputs);
    float lanes[kPruneLanes] = {};
    for (uint64_t k = first; k < end; k += kPruneLanes) {
      float sums[kPruneLanes];
      const uint64_t count = end - k < kPruneLanes ? end - k : kPruneLanes;
      columns_of<kSigned>(task, k, count, sums);
      for (uint64_t lane = 0; lane < count; ++lane) lanes[lane] += sums[lane];
    }
    task.sums[first / task.block_inputs] = fold(lanes);
  }
}

/// Blocks of up to 16 inputs, as many as whole ones fit 16 columns at a time.
template <bool kSigned>
void add_narrow_blocks(const PruneSums& task) {
  const uint64_t step = kPruneLanes / task.block_inputs * task.block_inputs;
  for (uint64_t k = 0; k < task.n_inputs; k += step) {
    const uint64_t here = task.n_inputs - k < step ? task.n_inputs - k : step;
    float sums[kPruneLanes];
    columns_of<kSigned>(task, k, here, sums);
    if (task.block_inputs == 1) {
      for (uint64_t lane = 0; lane < here; ++lane) task.sums[k + lane] = 0.0f + sums[lane];
      continue;
    }
    for (uint64_t at = 0; at < here; at += task.block_inputs) {
      const uint64_t count = here - at < task.block_inputs ? here - at : task.block_inputs;
      float lanes[kPruneLanes] = {};
      for (uint64_t lane = 0; lane < count; ++lane) lanes[lane] += sums[at + lane];
      task.sums[(k + at) / task.block_inputs] = fold(lanes);
    }
  }
}

template <bool kSigned>
void add_blocks(const PruneSums& task) {
  return task.block_inputs > kPruneLanes ? add_wide_blocks<kSigned>(task)
                                         : add_narrow_blocks<kSigned>(task);
}

}  // namespace

bool prune_groups_f32(const PruneGroups& task) noexcept {
  return task.is_signed != 0 ? choose_any<true>(task) : choose_any<false>(task);
}

PruneSplitCounts prune_split_f32(const PruneSplit& task) noexcept {
  return task.is_signed != 0 ? split<true>(task) : split<false>(task);
}

uint64_t prune_count(const int32_t* keys, uint64_t n_keys, int32_t floor) noexcept {
  const __m256i level = _mm256_set1_epi32(floor);
  uint64_t count = 0;
  uint64_t i = 0;
  for (; i + kLanes <= n_keys; i += kLanes) {
    const uint32_t above = lane_bits(_mm256_cmpgt_epi32(load(keys + i), level));
    count += static_cast<uint64_t>(__builtin_popcount(above));
  }
  for (; i < n_keys; ++i) count += keys[i] > floor ? 1u : 0u;
  return count;
}

void prune_sums_f32(const PruneSums& task) noexcept {
  return task.is_signed != 0 ? add_blocks<true>(task) : add_blocks<false>(task);
}

}  // namespace cordwood::kernels::avx2
