// prune_mask on AVX-512: 16 scores to a vector, 64 to a line of the mask.
//
// Within a group every score meets each of its m - 1 neighbours, turned into its lane by one
// permutation; those that beat it are counted. For 2:4 that is 3 permutations, 3 subtractions, 3
// comparisons and 3 masked additions per 16 scores, less than the memory takes to bring them.
//
// The split presses candidates together with vpcompressd, which is written to a register and then
// stored whole: the form that writes to memory is slow on Zen 4.
#include <immintrin.h>

#include "kernels/prune_mask/prune_mask.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint64_t kLanes = 16;
constexpr uint64_t kLineScores = 64;
/// Scores are asked for this many bytes before they are read: a masking of 2:4 takes 2.3 ms of 4096 square,
/// with 1024 it takes 3.4.
constexpr uint64_t kBytesAhead = 16384;
/// Keys counted in lanes of 32 bits before these are added up.
constexpr uint64_t kCountStretch = uint64_t{1} << 30;

__mmask16 first_lanes(uint64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFFu : (1u << count) - 1);
}

// ---- scores to keys ------------------------------------------------------------------------------

/// Keys of 16 scores, and the largest magnitude so far.
template <bool kSigned>
struct Keys {
  __m512i largest_i32x16 = _mm512_setzero_si512();

  [[gnu::always_inline]] __m512i of(__m512i bits_i32x16) {
    const __m512i magnitude = _mm512_and_si512(bits_i32x16, _mm512_set1_epi32(0x7FFFFFFF));
    largest_i32x16 = _mm512_max_epi32(largest_i32x16, magnitude);
    if constexpr (!kSigned) return magnitude;
    const __m512i sign = _mm512_srai_epi32(bits_i32x16, 31);
    return _mm512_sub_epi32(_mm512_xor_si512(magnitude, sign), sign);
  }
  [[nodiscard]] bool has_nan() const {
    return _mm512_cmpgt_epi32_mask(largest_i32x16, _mm512_set1_epi32(CORDWOOD_PRUNE_INFINITY)) != 0;
  }
};

// ---- n:m -----------------------------------------------------------------------------------------

/// Lane i of rotation d reads lane (i + d) of its group, which beats equals where it stands before.
template <uint32_t kOf>
struct Rotations {
  __m512i from[kOf];
  __m512i before[kOf];

  Rotations() {
    for (uint32_t d = 1; d < kOf; ++d) {
      alignas(64) int32_t lane_from[kLanes];
      alignas(64) int32_t lane_before[kLanes];
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        const uint32_t base = lane / kOf * kOf;
        const uint32_t other = base + (lane - base + d) % kOf;
        lane_from[lane] = static_cast<int32_t>(other);
        lane_before[lane] = other < lane ? 1 : 0;
      }
      from[d] = _mm512_load_si512(lane_from);
      before[d] = _mm512_load_si512(lane_before);
    }
  }
};

template <uint32_t kOf>
[[gnu::always_inline]] inline __mmask16 choose(__m512i key, __m512i keep,
                                               const Rotations<kOf>& rotations) {
  const __m512i one = _mm512_set1_epi32(1);
  __m512i beaten = _mm512_setzero_si512();
#pragma GCC unroll 16
  for (uint32_t d = 1; d < kOf; ++d) {
    const __m512i other = _mm512_permutexvar_epi32(rotations.from[d], key);
    const __m512i level = _mm512_sub_epi32(key, rotations.before[d]);
    const __mmask16 beats = _mm512_cmpgt_epi32_mask(other, level);
    beaten = _mm512_mask_add_epi32(beaten, beats, beaten, one);
  }
  return _mm512_cmplt_epi32_mask(beaten, keep);
}

/// The whole vectors of one row; how many scores that were.
template <bool kSigned, uint32_t kOf>
uint64_t choose_row(const PruneGroups& task, uint64_t row, const Rotations<kOf>& rotations,
                    Keys<kSigned>& keys) {
  const __m512i keep = _mm512_set1_epi32(static_cast<int32_t>(task.keep));
  const float* scores = task.scores + row * task.n_inputs;
  uint8_t* mask = task.mask + row * task.n_inputs;
  uint64_t k = 0;
  for (; k + kLineScores <= task.n_inputs; k += kLineScores) {
    uint64_t stays = 0;
#pragma GCC unroll 4
    for (uint64_t part = 0; part < kLineScores; part += kLanes) {
      _mm_prefetch(reinterpret_cast<const char*>(scores + k + part) + kBytesAhead, _MM_HINT_T0);
      const __m512i key = keys.of(_mm512_loadu_si512(scores + k + part));
      stays |= static_cast<uint64_t>(choose<kOf>(key, keep, rotations)) << part;
    }
    _mm512_storeu_si512(mask + k, _mm512_maskz_set1_epi8(stays, 1));
  }
  for (; k + kLanes <= task.n_inputs; k += kLanes) {
    const __m512i key = keys.of(_mm512_loadu_si512(scores + k));
    const __mmask16 stays = choose<kOf>(key, keep, rotations);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(mask + k), _mm_maskz_set1_epi8(stays, 1));
  }
  return k;
}

template <bool kSigned, uint32_t kOf>
bool choose_rows(const PruneGroups& task) {
  const Rotations<kOf> rotations;
  Keys<kSigned> keys;
  bool has_nan = false;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const uint64_t done = choose_row<kSigned, kOf>(task, row, rotations, keys);
    if (done == task.n_inputs) continue;
    PruneGroups tail = task;
    tail.scores += row * task.n_inputs + done;
    tail.mask += row * task.n_inputs + done;
    tail.n_rows = 1;
    tail.n_inputs -= done;
    has_nan |= scalar::prune_groups_f32(tail);
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
    case 16:
      return choose_rows<kSigned, 16>(task);
    default:
      return scalar::prune_groups_f32(task);
  }
}

// ---- split -----------------------------------------------------------------------------------------

enum class Wanted { mask, keys, mask_keys_places };

/// What a split keeps in registers. Its own copy of the task: the mask's bytes might be any of it, for
/// all that the compiler knows.
template <bool kSigned, Wanted kWanted>
struct Splitter {
  static constexpr bool kMask = kWanted != Wanted::keys;
  static constexpr bool kKeys = kWanted != Wanted::mask;
  static constexpr bool kPlaces = kMask && kKeys;

  const float* const scores;
  int32_t* const candidate_keys;
  uint32_t* const candidate_places;
  const uint64_t capacity;
  const __m512i low;
  const __m512i high;
  __m512i place;  ///< of the next 16 scores
  Keys<kSigned> keys;
  uint64_t n_within = 0;

  explicit Splitter(const PruneSplit& task)
      : scores(task.scores),
        candidate_keys(task.keys),
        candidate_places(task.places),
        capacity(task.capacity),
        low(_mm512_set1_epi32(task.low)),
        high(_mm512_set1_epi32(task.high)),
        place(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)) {}

  /// The next scores begin at `first`, the last ones having been fewer than 16.
  void move_to(uint64_t first) {
    const __m512i back = _mm512_set1_epi32(static_cast<int32_t>(kLanes - first));
    place = _mm512_sub_epi32(place, back);
  }

  /// Splits up to 16 scores; those above the range come back.
  [[gnu::always_inline]] __mmask16 split(uint64_t at, __mmask16 lanes) {
    const __m512i key = keys.of(_mm512_maskz_loadu_epi32(lanes, scores + at));
    const __mmask16 above = _mm512_mask_cmpgt_epi32_mask(lanes, key, high);
    const __mmask16 not_below = _mm512_mask_cmpge_epi32_mask(lanes, key, low);
    const auto within = static_cast<__mmask16>(_kandn_mask16(above, not_below));
    if (kKeys && n_within <= capacity) {
      _mm512_storeu_si512(candidate_keys + n_within, _mm512_maskz_compress_epi32(within, key));
      if constexpr (kPlaces) {
        const __m512i places = _mm512_maskz_compress_epi32(within, place);
        _mm512_storeu_si512(candidate_places + n_within, places);
      }
    }
    if constexpr (kPlaces) {
      place = _mm512_add_epi32(place, _mm512_set1_epi32(static_cast<int32_t>(kLanes)));
    }
    n_within += static_cast<uint64_t>(_mm_popcnt_u32(within));
    return above;
  }
};

template <bool kSigned, Wanted kWanted>
PruneSplitCounts split(const PruneSplit& task) {
  using Own = Splitter<kSigned, kWanted>;
  Own splitter(task);
  uint8_t* const mask = task.mask;
  const uint64_t n_scores = task.n_scores;
  uint64_t n_above = 0;
  uint64_t i = 0;
  const auto split_some = [&](__mmask16 lanes) {
    const __mmask16 stays = splitter.split(i, lanes);
    n_above += static_cast<uint64_t>(_mm_popcnt_u32(stays));
    if constexpr (Own::kMask) {
      _mm_mask_storeu_epi8(mask + i, lanes, _mm_maskz_set1_epi8(stays, 1));
    }
  };
  // Up to the next line: NumPy's arrays begin 16 bytes past one, and each load would touch two.
  const uint64_t ahead_of_line = (64 - reinterpret_cast<uintptr_t>(task.scores) % 64) % 64 / 4;
  if (ahead_of_line != 0 && n_scores > kLineScores) {
    split_some(first_lanes(ahead_of_line));
    splitter.move_to(ahead_of_line);
    i = ahead_of_line;
  }
  for (; i + kLineScores <= n_scores; i += kLineScores) {
    uint64_t stays = 0;
#pragma GCC unroll 4
    for (uint64_t part = 0; part < kLineScores; part += kLanes) {
      const auto* ahead = reinterpret_cast<const char*>(splitter.scores + i + part) + kBytesAhead;
      _mm_prefetch(ahead, _MM_HINT_T0);
      stays |= static_cast<uint64_t>(splitter.split(i + part, 0xFFFF)) << part;
    }
    n_above += static_cast<uint64_t>(_mm_popcnt_u64(stays));
    if constexpr (Own::kMask) _mm512_storeu_si512(mask + i, _mm512_maskz_set1_epi8(stays, 1));
  }
  for (; i < n_scores; i += kLanes) split_some(first_lanes(n_scores - i));
  return {n_above, splitter.n_within, splitter.keys.has_nan()};
}

template <bool kSigned>
PruneSplitCounts split_as_wanted(const PruneSplit& task) {
  if (task.keys == nullptr) return split<kSigned, Wanted::mask>(task);
  if (task.mask == nullptr) return split<kSigned, Wanted::keys>(task);
  return split<kSigned, Wanted::mask_keys_places>(task);
}

}  // namespace

bool prune_groups_f32(const PruneGroups& task) noexcept {
  return task.is_signed != 0 ? choose_any<true>(task) : choose_any<false>(task);
}

PruneSplitCounts prune_split_f32(const PruneSplit& task) noexcept {
  return task.is_signed != 0 ? split_as_wanted<true>(task) : split_as_wanted<false>(task);
}

uint64_t prune_count(const int32_t* keys, uint64_t n_keys, int32_t floor) noexcept {
  const __m512i level = _mm512_set1_epi32(floor);
  const __m512i one = _mm512_set1_epi32(1);
  uint64_t total = 0;
  for (uint64_t end = 0; end < n_keys;) {
    uint64_t i = end;
    end = n_keys - i < kCountStretch ? n_keys : i + kCountStretch;
    __m512i counts[4] = {};
    for (; i + kLineScores <= end; i += kLineScores) {
#pragma GCC unroll 4
      for (uint64_t part = 0; part < 4; ++part) {
        const __m512i key = _mm512_loadu_si512(keys + i + part * kLanes);
        const __mmask16 above = _mm512_cmpgt_epi32_mask(key, level);
        counts[part] = _mm512_mask_add_epi32(counts[part], above, counts[part], one);
      }
    }
    for (; i < end; i += kLanes) {
      const __mmask16 lanes = first_lanes(end - i);
      const __m512i key = _mm512_maskz_loadu_epi32(lanes, keys + i);
      const __mmask16 above = _mm512_mask_cmpgt_epi32_mask(lanes, key, level);
      counts[0] = _mm512_mask_add_epi32(counts[0], above, counts[0], one);
    }
    const __m512i pair = _mm512_add_epi32(counts[0], counts[1]);
    const __m512i other = _mm512_add_epi32(counts[2], counts[3]);
    total += static_cast<uint32_t>(_mm512_reduce_add_epi32(_mm512_add_epi32(pair, other)));
  }
  return total;
}

}  // namespace cordwood::kernels::avx512
