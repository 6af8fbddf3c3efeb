#include "runtime/mask.hpp"

#include <cmath>

#include "runtime/mask_parts.hpp"

namespace cordwood::runtime {

Status name_nan(const MaskScores& scores) noexcept {
  const float* end = scores.scores + scores.size();
  const float* found = std::find_if(scores.scores, end, [](float x) { return std::isnan(x); });
  const auto at = static_cast<uint64_t>(found - scores.scores);
  return fail(CORDWOOD_STATUS_nan_refused, scores.is_signed ? "scores" : "weights",
              "output {}, input {} is NaN, which has no place in an order; replace it first",
              at / scores.n_inputs, at % scores.n_inputs);
}

Status mask_groups(const MaskScores& scores, uint32_t keep, uint32_t of, uint8_t* mask,
                   const MaskRun& run) noexcept {
  MaskScores rows = scores;
  if (scores.n_inputs % of == 0) {
    // No group crosses the end of a row, so that the rows are one long one, cut where it suits.
    rows.n_inputs = divide_up_u64(kMaskPiece, of) * of;
    rows.n_rows = divide_up_u64(scores.size(), rows.n_inputs);
  }
  const uint64_t piece_rows = std::max<uint64_t>(kMaskPiece / rows.n_inputs, 1);
  std::atomic<bool> has_nan{false};
  const auto body = [&](unsigned, uint64_t index) {
    const uint64_t first = index * piece_rows;
    const uint64_t start = first * rows.n_inputs;
    const uint64_t left = scores.size() - start;
    const kernels::PruneGroups task{
        .scores = scores.scores + start,
        .mask = mask + start,
        .n_rows = std::min(piece_rows, rows.n_rows - first),
        .n_inputs = std::min(rows.n_inputs, left),
        .keep = keep,
        .of = of,
        .is_signed = scores.is_signed ? 1u : 0u,
    };
    if (run.kernels.prune_groups_f32(task)) has_nan.store(true, std::memory_order_relaxed);
  };
  CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run, divide_up_u64(rows.n_rows, piece_rows), body));
  return has_nan.load() ? name_nan(scores) : Status{};
}

Status mask_sums(const MaskScores& scores, uint64_t block_rows, uint64_t block_inputs, float* sums,
                 const MaskRun& run) noexcept {
  const uint64_t n_strips = divide_up_u64(scores.n_rows, block_rows);
  const uint64_t n_sums = divide_up_u64(scores.n_inputs, block_inputs);
  const uint64_t strip_scores = std::min(block_rows, scores.n_rows) * scores.n_inputs;
  const uint64_t piece_strips = std::max<uint64_t>(kMaskPiece / strip_scores, 1);
  const auto body = [&](unsigned, uint64_t index) {
    const uint64_t end = std::min((index + 1) * piece_strips, n_strips);
    for (uint64_t strip = index * piece_strips; strip < end; ++strip) {
      const uint64_t first = strip * block_rows;
      run.kernels.prune_sums_f32({
          .scores = scores.scores + first * scores.n_inputs,
          .sums = sums + strip * n_sums,
          .n_rows = std::min(block_rows, scores.n_rows - first),
          .n_inputs = scores.n_inputs,
          .block_inputs = block_inputs,
          .is_signed = scores.is_signed ? 1u : 0u,
      });
    }
  };
  CORDWOOD_RETURN_IF_FAILED(run_mask_pieces(run, divide_up_u64(n_strips, piece_strips), body));
  const float* end = sums + n_strips * n_sums;
  const float* found = std::find_if<const float*>(sums, end, [](float x) { return std::isnan(x); });
  if (found == end) return {};
  const float* last = scores.scores + scores.size();
  if (std::any_of(scores.scores, last, [](float x) { return std::isnan(x); })) {
    return name_nan(scores);
  }
  const auto at = static_cast<uint64_t>(found - sums);
  return fail(CORDWOOD_STATUS_infinity_refused, "scores",
              "block ({}, {}) holds infinities of both signs, which have no sum", at / n_sums,
              at % n_sums);
}

}  // namespace cordwood::runtime
