// A long row: one pass over memory. A sample says between which two keys the last one to stay will be
// found; one split by that range writes the mask and sets down the few candidates within; halving the
// range over those finds it. Where the sample was wrong, or too many scores are equal, histograms of
// the keys' bits find it instead. Both give the same mask.
#include <new>

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
constexpr uint64_t kCapacity = kMaskPiece / kCandidateShare;

/// A long row in pieces, each with candidates of its own.
class LongRow {
 public:
  LongRow(MaskContext& context, const MaskRow& row, const MaskRun& run) noexcept
      : context_(context), row_(row), run_(run) {}

  Status reserve() noexcept {
    n_pieces_ = divide_up_u64(row_.n, kMaskPiece);
    const uint64_t list_bytes = whole_lines((kCapacity + kMaskSlack) * sizeof(int32_t));
    const uint64_t table_bytes = whole_lines(n_pieces_ * sizeof(Candidates));
    CORDWOOD_RETURN_IF_FAILED(context_.pieces.reserve(table_bytes + n_pieces_ * 2 * list_bytes));
    std::byte* block = context_.pieces.bytes().data();
    pieces_ = reinterpret_cast<Candidates*>(block);
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      std::byte* lists = block + table_bytes + i * 2 * list_bytes;
      new (pieces_ + i) Candidates{reinterpret_cast<int32_t*>(lists),
                                   reinterpret_cast<uint32_t*>(lists + list_bytes), kCapacity};
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
    if (range.low == range.high) return mark_first_ties(range.low, rank);
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

  void ask_for_run(uint64_t first) const noexcept {
    for (uint64_t k = 0; k < kRun; k += kCacheLine / sizeof(float)) {
      __builtin_prefetch(row_.scores + first + k);
    }
  }

  Status sample(KeyRange& range) const noexcept {
    if (row_.keep == 0 || row_.keep == row_.n) {
      range = row_.keep == 0 ? kNoKeys : kBelowKeys;
      return {};
    }
    const uint64_t n_runs = std::min(kMostRuns, row_.n / (kRun * kSampleShare));
    CORDWOOD_RETURN_IF_FAILED(
        context_.sample.reserve((n_runs * kRun + kMaskSlack) * sizeof(int32_t)));
    auto* keys = reinterpret_cast<int32_t*>(context_.sample.bytes().data());
    // Runs at even distances would all meet the same columns of a matrix: each is moved by a number
    // that looks random.
    const uint64_t step = row_.n / n_runs;
    const auto first_of = [&](uint64_t i) {
      return i * step + (i * 0x9E3779B97F4A7C15u >> 33) % (step - kRun + 1);
    };
    for (uint64_t i = 0; i < n_runs; ++i) {
      if (i + kRunsAhead < n_runs) ask_for_run(first_of(i + kRunsAhead));
      take_keys(run_.kernels, row_, first_of(i), kRun, keys + i * kRun);
    }
    range = judge_sample(run_.kernels, keys, n_runs * kRun, row_.keep, row_.n);
    return {};
  }

  Status split_pieces(KeyRange range) noexcept {
    // Candidates that are all equal need not be set down.
    const bool sets_down = range.low != range.high;
    const auto body = [&](unsigned, uint64_t index) {
      pieces_[index].counts = sets_down
                                  ? split_row(run_.kernels, piece(index), range, pieces_[index])
                                  : mark_above(run_.kernels, piece(index), range.low);
    };
    CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run_, n_pieces_, body));
    total_ = {0, 0, false};
    overflowed_ = false;
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      const kernels::PruneSplitCounts& counts = pieces_[i].counts;
      total_.above += counts.above;
      total_.within += counts.within;
      total_.has_nan |= counts.has_nan;
      overflowed_ |= counts.within > kCapacity;
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
    const int32_t last = find_rank(range, rank, total_.within, count);
    uint64_t ties = rank - count(last);
    for (uint64_t i = 0; i < n_pieces_; ++i) {
      ties = runtime::mark_candidates(pieces_[i], last, ties, piece(i).mask);
    }
  }

  /// All candidates equal `key`; the first `ties` of them stay.
  Status mark_first_ties(int32_t key, uint64_t ties) noexcept {
    uint64_t n_whole = 0;
    while (n_whole < n_pieces_ && pieces_[n_whole].counts.within <= ties) {
      ties -= pieces_[n_whole++].counts.within;
    }
    const auto body = [&](unsigned, uint64_t index) {
      mark_above(run_.kernels, piece(index), key - 1);
    };
    CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run_, n_whole, body));
    if (n_whole < n_pieces_) mark_ties(piece(n_whole), key, ties);
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

  MaskContext& context_;
  MaskRow row_;
  MaskRun run_;
  uint64_t n_pieces_ = 0;
  Candidates* pieces_ = nullptr;
  kernels::PruneSplitCounts total_{0, 0, false};
  bool overflowed_ = false;
};

}  // namespace

Status choose_long(MaskContext& context, const MaskRow& row, const MaskRun& run,
                   bool& has_nan) noexcept {
  LongRow choice(context, row, run);
  CORDWOOD_RETURN_IF_FAILED(choice.reserve());
  CORDWOOD_RETURN_IF_FAILED(choice.choose());
  has_nan |= choice.has_nan();
  return {};
}

}  // namespace cordwood::runtime
