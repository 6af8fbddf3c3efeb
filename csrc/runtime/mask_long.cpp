// A long row: one pass over memory. A sample says between which two keys the last one to stay will be
// found; one split by that range writes the mask and sets down the few candidates within; halving the
// range over those finds it. Where the sample was wrong, or too many scores are equal, histograms of
// the keys' bits find it instead. Both give the same mask.
#include "runtime/mask_rank.hpp"

namespace cordwood::runtime {
namespace {

/// Samples are taken in runs of neighbours, some cache lines each.
constexpr uint64_t kRun = 64;
constexpr uint64_t kMostRuns = 2048;
/// At most one score in so many is sampled.
constexpr uint64_t kSampleShare = 8;
/// Of a piece one score in so many may be a candidate.
constexpr uint64_t kCandidateShare = 8;

/// A long row in pieces, each with candidates of its own.
class LongRow {
 public:
  LongRow(const MaskRow& row, const MaskRun& run) noexcept : row_(row), run_(run) {}

  Status reserve() noexcept {
    n_pieces_ = divide_up_u64(row_.n, kMaskPiece);
    const uint64_t capacity = kMaskPiece / kCandidateShare;
    pieces_ = room_for<Candidates>(n_pieces_);
    keys_ = room_for<int32_t>(n_pieces_ * (capacity + kMaskSlack));
    places_ = room_for<uint32_t>(n_pieces_ * (capacity + kMaskSlack));
    if (!pieces_ || !keys_ || !places_) return out_of_memory("mask");
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      const uint64_t first = i * (capacity + kMaskSlack);
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
  [[nodiscard]] MaskRow piece(uint64_t index) const noexcept {
    const uint64_t first = index * kMaskPiece;
    return {row_.scores + first, row_.mask + first, std::min(kMaskPiece, row_.n - first), row_.keep,
            row_.is_signed};
  }

  Status sample(KeyRange& range) const noexcept {
    if (row_.keep == 0 || row_.keep == row_.n) {
      range = row_.keep == 0 ? kNoKeys : kBelowKeys;
      return {};
    }
    const uint64_t n_runs = std::min(kMostRuns, row_.n / (kRun * kSampleShare));
    const auto keys = room_for<int32_t>(n_runs * kRun);
    if (!keys) return out_of_memory("mask");
    // Runs at even distances would all meet the same columns of a matrix: each is moved by a number
    // that looks random.
    const uint64_t step = row_.n / n_runs;
    uint64_t n_keys = 0;
    for (uint64_t i = 0; i < n_runs; ++i) {
      const uint64_t moved = (i * 0x9E3779B97F4A7C15u >> 33) % (step - kRun + 1);
      for (uint64_t k = 0; k < kRun; ++k) {
        keys[n_keys++] = cordwood_prune_key(row_.scores[i * step + moved + k], row_.is_signed);
      }
    }
    range = judge_sample(run_.kernels, keys.get(), n_keys, row_.keep, row_.n);
    return {};
  }

  Status split_pieces(KeyRange range) noexcept {
    // Candidates that are all equal need not be set down.
    const uint64_t capacity = range.low == range.high ? 0 : kMaskPiece / kCandidateShare;
    const auto body = [&](unsigned, uint64_t index) {
      pieces_[index].capacity = capacity;
      pieces_[index].counts = split_row(run_.kernels, piece(index), range, pieces_[index]);
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
      ties = runtime::mark_candidates(pieces_[i], last, ties, piece(i).mask);
    }
  }

  /// All candidates equal `key`; the first `ties` of them stay.
  Status mark_ties(int32_t key, uint64_t ties) noexcept {
    uint64_t n_whole = 0;
    while (n_whole < n_pieces_ && pieces_[n_whole].counts.within <= ties) {
      ties -= pieces_[n_whole++].counts.within;
    }
    const auto body = [&](unsigned, uint64_t index) {
      pieces_[index].capacity = 0;
      split_row(run_.kernels, piece(index), {key - 1, key - 1}, pieces_[index]);
    };
    CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run_, n_whole, body));
    if (n_whole == n_pieces_) return {};
    const MaskRow cut = piece(n_whole);
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

  MaskRow row_;
  MaskRun run_;
  uint64_t n_pieces_ = 0;
  std::unique_ptr<Candidates[]> pieces_;
  std::unique_ptr<int32_t[]> keys_;
  std::unique_ptr<uint32_t[]> places_;
  kernels::PruneSplitCounts total_{0, 0, false};
  bool overflowed_ = false;
};

}  // namespace

Status choose_long(const MaskRow& row, const MaskRun& run, bool& has_nan) noexcept {
  LongRow choice(row, run);
  CORDWOOD_RETURN_IF_FAILED(choice.reserve());
  CORDWOOD_RETURN_IF_FAILED(choice.choose());
  has_nan |= choice.has_nan();
  return {};
}

}  // namespace cordwood::runtime
