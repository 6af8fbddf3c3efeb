// Short rows, each chosen from by one thread: a range of keys holds the last one to stay and little else;
// that is set down, and searched for the key to cut at. Then a second pass, over scores that lie in the
// first cache level, writes the mask.
#include <cmath>
#include <new>

#include "runtime/mask_rank.hpp"

namespace cordwood::runtime {
namespace {

/// Rows up to here are candidates as a whole: no sample pays.
constexpr uint64_t kTinyRow = 512;
/// Samples are taken in runs of neighbours, a cache line each, of one score in so many.
constexpr uint64_t kRun = 16;
constexpr uint64_t kSampleShare = 8;
/// Standard deviations between the ranks that one key has in two rows.
constexpr double kHintMargin = 3.5;
/// A hint that would hold more than two scores in so many is none.
constexpr uint64_t kHintShare = 8;

/// Room of one thread.
struct ShortRoom {
  int32_t* keys;
  int32_t* sample;
  KeyRange hint = kAllKeys;  ///< that is likely to decide the next row; kAllKeys for none
};

/// Keys of a row and of a sample of it, each with slack for a split.
constexpr uint64_t room_keys(uint64_t n) noexcept {
  return n + n / kSampleShare + kRun + 2 * kMaskSlack;
}

KeyRange sample_short(const ArrayKernels& kernels, const MaskRow& row, int32_t* sample) noexcept {
  if (row.keep == 0) return kNoKeys;
  if (row.keep == row.n) return kBelowKeys;
  if (row.n <= kTinyRow) return kAllKeys;
  uint64_t n_sample = 0;
  for (uint64_t first = 0; first + kRun <= row.n; first += kRun * kSampleShare) {
    take_keys(kernels, row, first, kRun, sample + n_sample);
    n_sample += kRun;
  }
  return judge_sample(kernels, sample, n_sample, row.keep, row.n);
}

/// A range that is likely to decide rows like this one: so many of its candidates to either side of
/// rank `rank`. All keys where that would be a large part of the row.
template <class CountAbove>
KeyRange hint_from(const MaskRow& row, KeyRange range, uint64_t rank, uint64_t n_candidates,
                   const CountAbove& count) noexcept {
  const auto n = static_cast<double>(row.n);
  const double share = static_cast<double>(row.keep) / n;
  const double deviation = std::sqrt(2.0 * n * share * (1.0 - share));
  const auto margin = static_cast<uint64_t>(kHintMargin * deviation) + 2;
  if (margin * kHintShare > row.n) return kAllKeys;
  KeyRange hint = range;
  if (rank > margin) hint.high = find_rank(range, rank - margin, n_candidates, count);
  if (rank + margin < n_candidates) hint.low = find_rank(range, rank + margin, n_candidates, count);
  return hint;
}

/// Whether a score is NaN.
bool choose_short(const ArrayKernels& kernels, const MaskRow& row, ShortRoom& room) noexcept {
  const MaskRow unmarked{row.scores, nullptr, row.n, row.keep, row.is_signed};
  Candidates found{room.keys, nullptr, row.n};
  KeyRange range{};
  const auto decided_by = [&](KeyRange by) {
    range = by;
    found.counts = split_row(kernels, unmarked, range, found);
    return decides(found.counts, row.keep);
  };
  const bool hinted = room.hint.low != kAllKeys.low && decided_by(room.hint);
  if (!hinted && !decided_by(sample_short(kernels, row, room.sample))) decided_by(kAllKeys);
  const uint64_t rank = row.keep - found.counts.above;
  if (rank == 0) {
    mark_above(kernels, row, range.high);
    return found.counts.has_nan;
  }
  const uint64_t n_found = found.counts.within;
  const auto count = [&](int32_t floor) { return kernels.prune_count(found.keys, n_found, floor); };
  if (!hinted) room.hint = hint_from(row, range, rank, n_found, count);
  const int32_t last = find_rank(range, rank, n_found, count);
  const uint64_t ties = rank - count(last);
  // Where all that equal the last one stay, none of them needs to be looked for.
  const bool all = ties != 0 && count(last - 1) == rank;
  mark_above(kernels, row, all ? last - 1 : last);
  if (!all) mark_ties(row, last, ties);
  return found.counts.has_nan;
}

Status choose_short_rows(MaskContext& context, const MaskScores& scores, uint64_t keep,
                         uint8_t* mask, const MaskRun& run, bool& has_nan) noexcept {
  const uint64_t piece_rows = std::max<uint64_t>(kMaskPiece / scores.n_inputs, 1);
  const uint64_t n_pieces = divide_up_u64(scores.n_rows, piece_rows);
  const uint64_t n_rooms = std::min<uint64_t>(std::max(run.threads, 1u), n_pieces);
  const uint64_t key_bytes = whole_lines(room_keys(scores.n_inputs) * sizeof(int32_t));
  const uint64_t room_bytes = whole_lines(sizeof(ShortRoom)) + key_bytes;
  CORDWOOD_RETURN_IF_FAILED(context.pieces.reserve(n_rooms * room_bytes));
  std::byte* block = context.pieces.bytes().data();
  const auto room_of = [&](uint64_t slot) {
    return reinterpret_cast<ShortRoom*>(block + slot * room_bytes);
  };
  for (uint64_t slot = 0; slot < n_rooms; ++slot) {
    auto* keys = reinterpret_cast<int32_t*>(block + slot * room_bytes + room_bytes - key_bytes);
    new (room_of(slot)) ShortRoom{.keys = keys, .sample = keys + scores.n_inputs + kMaskSlack};
  }
  std::atomic<bool> found_nan{false};
  const auto body = [&](unsigned slot, uint64_t index) {
    const uint64_t end = std::min((index + 1) * piece_rows, scores.n_rows);
    for (uint64_t i = index * piece_rows; i < end; ++i) {
      const MaskRow row{scores.scores + i * scores.n_inputs, mask + i * scores.n_inputs,
                        scores.n_inputs, keep, scores.is_signed ? 1u : 0u};
      if (choose_short(run.kernels, row, *room_of(slot))) {
        found_nan.store(true, std::memory_order_relaxed);
      }
    }
  };
  CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run, n_pieces, body));
  has_nan = found_nan.load();
  return {};
}

}  // namespace

Status mask_top(MaskContext& context, const MaskScores& scores, uint64_t keep, bool whole,
                uint8_t* mask, const MaskRun& run) noexcept {
  MaskScores rows = scores;
  if (whole) {
    rows.n_rows = 1;
    rows.n_inputs = scores.size();
  }
  bool has_nan = false;
  if (rows.n_inputs <= kMaskPiece) {
    CORDWOOD_RETURN_IF_FAILED(choose_short_rows(context, rows, keep, mask, run, has_nan));
    return has_nan ? name_nan(scores) : Status{};
  }
  for (uint64_t i = 0; i < rows.n_rows; ++i) {
    const MaskRow row{rows.scores + i * rows.n_inputs, mask + i * rows.n_inputs, rows.n_inputs,
                      keep, rows.is_signed ? 1u : 0u};
    CORDWOOD_RETURN_IF_FAILED(choose_long(context, row, run, has_nan));
  }
  return has_nan ? name_nan(scores) : Status{};
}

}  // namespace cordwood::runtime
