// The best scores of a row, exactly, in one pass over memory: a sample of them says between which two
// keys the last one to stay will be found; one split by that range writes the mask and sets down the
// few candidates within; halving the range over those finds it. Where the sample was wrong, or too
// many scores are equal, histograms of the keys' bits find it instead. Both give the same mask.
#include <cmath>
#include <memory>
#include <new>
#include <vector>

#include "runtime/mask_parts.hpp"

namespace cordwood::runtime {
namespace {

/// Rows up to here are chosen from by one thread, whose candidates may be all of them.
constexpr uint64_t kShortRow = kMaskPiece;
/// Rows up to here are candidates as a whole: no sample pays.
constexpr uint64_t kTinyRow = 512;
/// Samples are taken in runs of neighbours, a cache line each.
constexpr uint64_t kRun = 16;
constexpr uint64_t kLongRowRuns = 4096;
constexpr uint64_t kShortRowShare = 8;  ///< one of so many
/// Standard deviations of a sample's rank to either side.
constexpr double kSampleMargin = 5.0;
/// Of a long row's piece one score in so many may be a candidate.
constexpr uint64_t kCandidateShare = 4;
/// Places past the capacity that a split may write to.
constexpr uint64_t kSlack = 16;

struct KeyRange {
  int32_t low;
  int32_t high;
};

/// The keys of all scores, and a range that none or all of them are above.
constexpr KeyRange kAllKeys{INT32_MIN, INT32_MAX};
constexpr KeyRange kNoKeys{INT32_MAX, INT32_MAX};
constexpr KeyRange kBelowKeys{INT32_MIN, INT32_MIN};

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

/// Where, by a sample of `n_sample` keys, the last of `keep` in `n` lies.
KeyRange judge_sample(const ArrayKernels& kernels, const int32_t* sample, uint64_t n_sample,
                      uint64_t keep, uint64_t n) noexcept {
  const double share = static_cast<double>(keep) / static_cast<double>(n);
  const auto size = static_cast<double>(n_sample);
  const double margin = kSampleMargin * std::sqrt(size * share * (1.0 - share)) + 2.0;
  const double first = size * share - margin;
  const double last = size * share + margin;
  const auto count = [&](int32_t floor) { return kernels.prune_count(sample, n_sample, floor); };
  KeyRange range = kAllKeys;
  if (first >= 1.0) range.high = find_rank(kAllKeys, static_cast<uint64_t>(first), count);
  if (last < size) {
    range.low = find_rank({INT32_MIN, range.high}, static_cast<uint64_t>(last) + 1, count);
  }
  return range;
}

/// Marks candidates above `key`, and the first `ties` of those equal to it; how many ties are left.
uint64_t mark(const Candidates& found, int32_t key, uint64_t ties, uint8_t* mask) noexcept {
  for (uint64_t i = 0; i < found.counts.within; ++i) {
    const unsigned tie = (found.keys[i] == key ? 1u : 0u) & (ties != 0 ? 1u : 0u);
    const unsigned above = found.keys[i] > key ? 1u : 0u;
    mask[found.places[i]] = static_cast<uint8_t>(above | tie);
    ties -= tie;
  }
  return ties;
}

/// One row, its best `keep`, its mask.
struct Row {
  const float* scores;
  uint8_t* mask;
  uint64_t n;
  uint64_t keep;
  uint32_t is_signed;
};

kernels::PruneSplitCounts split(const ArrayKernels& kernels, const Row& row, KeyRange range,
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

/// Whether the last one to stay is above the range or within it, so that the split decided the rest.
bool decides(const kernels::PruneSplitCounts& counts, uint64_t keep) noexcept {
  return counts.above <= keep && keep <= counts.above + counts.within;
}

// ---- rows that one thread chooses from -----------------------------------------------------------

/// Room of one thread.
struct ShortRoom {
  std::unique_ptr<int32_t[]> keys;
  std::unique_ptr<uint32_t[]> places;
  std::unique_ptr<int32_t[]> sample;

  bool reserve(uint64_t n) noexcept {
    keys = room_for<int32_t>(n + kSlack);
    places = room_for<uint32_t>(n + kSlack);
    sample = room_for<int32_t>(n / kShortRowShare + kRun);
    return keys && places && sample;
  }
};

KeyRange sample_short(const ArrayKernels& kernels, const Row& row, int32_t* sample) noexcept {
  if (row.keep == 0) return kNoKeys;
  if (row.keep == row.n) return kBelowKeys;
  if (row.n <= kTinyRow) return kAllKeys;
  uint64_t n_sample = 0;
  for (uint64_t first = 0; first + kRun <= row.n; first += kRun * kShortRowShare) {
    for (uint64_t i = first; i < first + kRun; ++i) {
      sample[n_sample++] = cordwood_prune_key(row.scores[i], row.is_signed);
    }
  }
  return judge_sample(kernels, sample, n_sample, row.keep, row.n);
}

/// Whether a score is NaN.
bool choose_short(const ArrayKernels& kernels, const Row& row, const ShortRoom& room) noexcept {
  KeyRange range = sample_short(kernels, row, room.sample.get());
  Candidates found{room.keys.get(), room.places.get(), row.n};
  found.counts = split(kernels, row, range, found);
  if (!decides(found.counts, row.keep)) {
    range = kAllKeys;
    found.counts = split(kernels, row, range, found);
  }
  const uint64_t rank = row.keep - found.counts.above;
  if (rank == 0) return found.counts.has_nan;
  const auto count = [&](int32_t floor) {
    return kernels.prune_count(found.keys, found.counts.within, floor);
  };
  const int32_t last = find_rank(range, rank, count);
  mark(found, last, rank - count(last), row.mask);
  return found.counts.has_nan;
}

Status choose_short_rows(const MaskScores& scores, uint64_t keep, uint8_t* mask,
                         const MaskRun& run) noexcept {
  const uint64_t piece_rows = std::max<uint64_t>(kMaskPiece / scores.n_inputs, 1);
  const uint64_t n_pieces = divide_up_u64(scores.n_rows, piece_rows);
  const uint64_t n_rooms = std::min<uint64_t>(std::max(run.threads, 1u), n_pieces);
  const auto rooms = room_for<ShortRoom>(n_rooms);
  if (!rooms) return out_of_memory("mask");
  for (uint64_t slot = 0; slot < n_rooms; ++slot) {
    if (!rooms[slot].reserve(scores.n_inputs)) return out_of_memory("mask");
  }
  std::atomic<bool> has_nan{false};
  const auto body = [&](unsigned slot, uint64_t index) {
    const uint64_t end = std::min((index + 1) * piece_rows, scores.n_rows);
    for (uint64_t i = index * piece_rows; i < end; ++i) {
      const Row row{scores.scores + i * scores.n_inputs, mask + i * scores.n_inputs,
                    scores.n_inputs, keep, scores.is_signed ? 1u : 0u};
      if (choose_short(run.kernels, row, rooms[slot])) {
        has_nan.store(true, std::memory_order_relaxed);
      }
    }
  };
  CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run, n_pieces, body));
  return has_nan.load() ? name_nan(scores) : Status{};
}

// ---- rows that all threads choose from -----------------------------------------------------------

/// A long row in pieces, each with candidates of its own.
class LongRow {
 public:
  LongRow(const Row& row, const MaskRun& run) noexcept : row_(row), run_(run) {}

  Status reserve() noexcept {
    n_pieces_ = divide_up_u64(row_.n, kMaskPiece);
    const uint64_t capacity = kMaskPiece / kCandidateShare;
    pieces_ = room_for<Candidates>(n_pieces_);
    keys_ = room_for<int32_t>(n_pieces_ * (capacity + kSlack));
    places_ = room_for<uint32_t>(n_pieces_ * (capacity + kSlack));
    if (!pieces_ || !keys_ || !places_) return out_of_memory("mask");
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      const uint64_t first = i * (capacity + kSlack);
      pieces_[i] = {keys_.get() + first, places_.get() + first, capacity};
    }
    return {};
  }

  /// Chooses; whether a score is NaN is for has_nan() to say.
  Status choose() noexcept {
    KeyRange range = kAllKeys;
    CORDWOOD_RETURN_IF_FAILED(sample(range));
    CORDWOOD_RETURN_IF_FAILED(split_pieces(range));
    if (!decides(total_, row_.keep) || (overflowed_ && range.low != range.high)) {
      const int32_t last = find_by_bits();
      range = {last, last};
      CORDWOOD_RETURN_IF_FAILED(split_pieces(range));
    }
    const uint64_t rank = row_.keep - total_.above;
    if (rank == 0) return {};
    if (range.low == range.high) return mark_ties(range.low, rank);
    mark_candidates(range, rank);
    return {};
  }

  [[nodiscard]] bool has_nan() const noexcept { return total_.has_nan; }

 private:
  [[nodiscard]] Row piece(uint64_t index) const noexcept {
    const uint64_t first = index * kMaskPiece;
    return {row_.scores + first, row_.mask + first, std::min(kMaskPiece, row_.n - first), row_.keep,
            row_.is_signed};
  }

  Status sample(KeyRange& range) const noexcept {
    if (row_.keep == 0 || row_.keep == row_.n) {
      range = row_.keep == 0 ? kNoKeys : kBelowKeys;
      return {};
    }
    const auto keys = room_for<int32_t>(kLongRowRuns * kRun);
    if (!keys) return out_of_memory("mask");
    // Runs at even distances would all meet the same columns of a matrix: each is moved by a number
    // that looks random.
    const uint64_t step = row_.n / kLongRowRuns;
    uint64_t n_keys = 0;
    for (uint64_t i = 0; i < kLongRowRuns; ++i) {
      const uint64_t moved = (i * 0x9E3779B97F4A7C15u >> 33) % (step - kRun + 1);
      for (uint64_t k = 0; k < kRun; ++k) {
        keys[n_keys++] = cordwood_prune_key(row_.scores[i * step + moved + k], row_.is_signed);
      }
    }
    range = judge_sample(run_.kernels, keys.get(), n_keys, row_.keep, row_.n);
    return {};
  }

  Status split_pieces(KeyRange range) noexcept {
    const auto body = [&](unsigned, uint64_t index) {
      pieces_[index].counts = split(run_.kernels, piece(index), range, pieces_[index]);
    };
    CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run_, n_pieces_, body));
    total_ = {0, 0, false};
    overflowed_ = false;
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      const kernels::PruneSplitCounts& counts = pieces_[i].counts;
      total_.above += counts.above;
      total_.within += counts.within;
      total_.has_nan |= counts.has_nan;
      overflowed_ |= counts.within > pieces_[i].capacity;
    }
    return {};
  }

  void mark_candidates(KeyRange range, uint64_t rank) noexcept {
    const auto count = [&](int32_t floor) {
      uint64_t above = 0;
      for (uint64_t i = 0; i < n_pieces_; ++i) {
        above += run_.kernels.prune_count(pieces_[i].keys, pieces_[i].counts.within, floor);
      }
      return above;
    };
    const int32_t last = find_rank(range, rank, count);
    uint64_t ties = rank - count(last);
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      ties = mark(pieces_[i], last, ties, piece(i).mask);
    }
  }

  /// All candidates equal `key`; the first `ties` of them stay.
  Status mark_ties(int32_t key, uint64_t ties) noexcept {
    uint64_t n_whole = 0;
    while (n_whole < n_pieces_ && pieces_[n_whole].counts.within <= ties) {
      ties -= pieces_[n_whole++].counts.within;
    }
    const auto body = [&](unsigned, uint64_t index) {
      split(run_.kernels, piece(index), {key - 1, key - 1}, pieces_[index]);
    };
    CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run_, n_whole, body));
    if (n_whole == n_pieces_) return {};
    const Row cut = piece(n_whole);
    for (uint64_t i = 0; ties > 0; ++i) {
      if (cordwood_prune_key(cut.scores[i], cut.is_signed) != key) continue;
      cut.mask[i] = 1;
      --ties;
    }
    return {};
  }

  /// The key of the last one to stay: 11, 11 and 10 bits at a time, from the top.
  [[nodiscard]] int32_t find_by_bits() const noexcept {
    constexpr uint32_t kTables = 4;  // neighbours that are equal would wait for each other
    constexpr uint32_t kBins = 2048;
    uint64_t rank = row_.keep;
    uint32_t prefix = 0;
    uint32_t known = 0;
    for (const uint32_t bits : {11u, 11u, 10u}) {
      const uint32_t shift = 32 - known - bits;
      uint32_t counts[kTables][kBins] = {};
      for (uint64_t i = 0; i < row_.n; ++i) {
        const int32_t key = cordwood_prune_key(row_.scores[i], row_.is_signed);
        const uint32_t ordered = static_cast<uint32_t>(key) ^ 0x80000000u;
        const bool mine = known == 0 || ordered >> (32 - known) == prefix;
        counts[i % kTables][ordered >> shift & ((1u << bits) - 1)] += mine ? 1u : 0u;
      }
      uint32_t bin = 1u << bits;
      uint64_t in_bin = 0;
      do {
        --bin;
        in_bin = uint64_t{counts[0][bin]} + counts[1][bin] + counts[2][bin] + counts[3][bin];
        if (in_bin >= rank) break;
        rank -= in_bin;
      } while (bin > 0);
      prefix = prefix << bits | bin;
      known += bits;
    }
    return static_cast<int32_t>(prefix ^ 0x80000000u);
  }

  Row row_;
  MaskRun run_;
  uint64_t n_pieces_ = 0;
  std::unique_ptr<Candidates[]> pieces_;
  std::unique_ptr<int32_t[]> keys_;
  std::unique_ptr<uint32_t[]> places_;
  kernels::PruneSplitCounts total_{0, 0, false};
  bool overflowed_ = false;
};

}  // namespace

Status mask_top(const MaskScores& scores, uint64_t keep, uint8_t* mask,
                const MaskRun& run) noexcept {
  if (scores.n_inputs <= kShortRow) return choose_short_rows(scores, keep, mask, run);
  bool has_nan = false;
  for (uint64_t i = 0; i < scores.n_rows; ++i) {
    const Row row{scores.scores + i * scores.n_inputs, mask + i * scores.n_inputs, scores.n_inputs,
                  keep, scores.is_signed ? 1u : 0u};
    LongRow choice(row, run);
    CORDWOOD_RETURN_IF_FAILED(choice.reserve());
    CORDWOOD_RETURN_IF_FAILED(choice.choose());
    has_nan |= choice.has_nan();
  }
  return has_nan ? name_nan(scores) : Status{};
}

}  // namespace cordwood::runtime
