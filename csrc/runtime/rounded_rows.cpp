#include "runtime/rounded_rows.hpp"

#include <algorithm>

#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

/// Rows of a piece when several threads round.
constexpr uint64_t kPieceRows = 32;
/// Pairs of neighbouring rows must not fall into the same set of L1: rows are so many bytes apart.
constexpr uint64_t kRowGap = kCacheLine;

struct Batch {
  const RowRounding& rounding;
  const RoundedRows& rows;
  const ArrayKernels& kernels;
  uint64_t first_row;
  uint64_t n_rows;

  static void round(void* batch, unsigned, uint64_t piece) noexcept {
    const auto& self = *static_cast<const Batch*>(batch);
    const uint64_t first = piece * kPieceRows;
    self.round(first, std::min(kPieceRows, self.n_rows - first));
  }

  void round(uint64_t first, uint64_t count) const noexcept {
    kernels.round_rows_bf16({.x = rounding.x + (first_row + first) * rounding.x_stride,
                             .pairs = rows.pairs + first * rows.stride,
                             .x_stride = rounding.x_stride,
                             .pair_stride = rows.stride,
                             .n_inputs = rounding.n_inputs,
                             .n_rows = count});
  }
};

}  // namespace

Result<RoundedRows> reserve_rounded(Arena& arena, const RowRounding& rounding,
                                    uint64_t n_rows) noexcept {
  const uint64_t row_bytes =
      whole_lines(kernels::input_pairs(rounding.n_inputs) * sizeof(uint32_t)) + kRowGap;
  CORDWOOD_RETURN_IF_FAILED(arena.reserve(n_rows * row_bytes));
  return RoundedRows{.pairs = reinterpret_cast<uint32_t*>(arena.bytes().data()),
                     .stride = row_bytes / sizeof(uint32_t)};
}

Status round_rows(const RowRounding& rounding, const RoundedRows& rows, uint64_t first,
                  uint64_t n_rows, unsigned threads, const ArrayKernels& kernels) noexcept {
  Batch batch{rounding, rows, kernels, first, n_rows};
  if (threads > 1 && n_rows >= 2 * kPieceRows) {
    return run_tasks(threads, (n_rows + kPieceRows - 1) / kPieceRows, &batch, Batch::round);
  }
  batch.round(0, n_rows);
  return {};
}

}  // namespace cordwood::runtime
