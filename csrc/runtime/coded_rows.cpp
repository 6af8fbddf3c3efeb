#include "runtime/coded_rows.hpp"

#include <algorithm>
#include <atomic>

#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

/// Rows of a piece when several threads make codes, or of a tile where that has more.
constexpr uint64_t kCodeRows = 16;
static_assert(kBlockRows % kernels::kMostLanes == 0 && kBatchRows % kBlockRows == 0);
/// Codes of neighbouring rows must not fall into the same set of L1: rows are so much apart.
constexpr uint64_t kRowGap = 64;

/// A thread is worth waking for so much work: it takes some ten microseconds to arrive, and what it reads
/// has to come over from the other's caches.
constexpr double kThreadMicroseconds = 40.0;
/// Pieces a thread gets: several, so that one that arrives late is not waited for.
constexpr double kPieceMicroseconds = 100.0;
constexpr double kLeastPieces = 4.0;
constexpr double kMostPieces = 16.0;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// A batch on its way through the pool.
struct Batch {
  const RowCoding& coding;
  const CodedRows& rows;
  const ArrayKernels& kernels;
  uint64_t first_row;
  uint64_t n_rows;
  uint64_t piece_rows;
  std::atomic<uint64_t> bad_row{UINT64_MAX};

  static void make_codes(void* batch, unsigned, uint64_t piece) noexcept {
    auto& self = *static_cast<Batch*>(batch);
    const uint64_t first = piece * self.piece_rows;
    self.make_codes(first, std::min(self.piece_rows, self.n_rows - first));
  }

  void make_codes(uint64_t first, uint64_t count) noexcept;
  void make_tiles(uint64_t first, uint64_t count) const noexcept;
};

void Batch::make_codes(uint64_t first, uint64_t count) noexcept {
  const DefaultFloatMode mode;
  const RowSource& source = coding.source;
  const uint64_t from = (first_row + first) * source.stride;
  const uint64_t bad = kernels.quantize_rows_f32(
      {.form = source.form,
       .x = source.x == nullptr ? nullptr : source.x + from,
       .given = source.given == nullptr ? nullptr : source.given + from,
       .codes = rows.codes + first * rows.stride,
       .scales = rows.scales + first * rows.row_scales,
       .zeros = rows.zeros == nullptr ? nullptr : rows.zeros + first * rows.row_scales,
       .sums = rows.sums + first * coding.n_sums,
       .x_stride = source.stride,
       .code_stride = rows.stride,
       .n_rows = count,
       .n_inputs = coding.n_inputs,
       .padded_inputs = rows.stride - kRowGap,
       .scale_group = coding.scale_group != 0 ? coding.scale_group : coding.n_inputs,
       .sum_group = coding.sum_group,
       .static_scale = source.static_scale,
       .static_zero = source.static_zero,
       .flip = source.flip,
       .sum_factor = coding.sum_factor});
  if (bad == count) {
    if (coding.tile_lanes != 0) make_tiles(first, count);
    return;
  }
  const uint64_t row = first_row + first + bad;
  uint64_t known = bad_row.load(std::memory_order_relaxed);
  while (row < known && !bad_row.compare_exchange_weak(known, row)) {
  }
}

void Batch::make_tiles(uint64_t first, uint64_t count) const noexcept {
  const uint64_t lanes = coding.tile_lanes;
  for (uint64_t row = first; row < first + count; row += lanes) {
    kernels.sparse_rows_s8({.codes = rows.codes + row * rows.stride,
                            .tile = rows.tiles + row * rows.stride,
                            .stride = rows.stride,
                            .n_inputs = rows.stride - kRowGap,
                            .n_rows = static_cast<uint32_t>(std::min(lanes, first + count - row)),
                            .lanes = coding.tile_lanes});
  }
}

}  // namespace

Result<CodedRows> reserve_rows(Arena& arena, const RowCoding& coding, uint64_t n_rows) noexcept {
  // Weights are whole steps of 32 inputs, codes whole registers of 64.
  const uint64_t stride = whole_lines(coding.n_inputs) + kRowGap;
  const uint64_t row_scales =
      coding.scale_group != 0 ? divide_up(coding.n_inputs, coding.scale_group) : 1;
  const uint64_t code_bytes = n_rows * stride;
  const uint64_t scale_bytes = whole_lines(n_rows * row_scales * sizeof(float));
  const bool symmetric = coding.source.form == kernels::RowForm::symmetric;
  const uint64_t zero_bytes = symmetric ? 0 : scale_bytes;
  const uint64_t sum_bytes = whole_lines(n_rows * coding.n_sums * sizeof(int32_t));
  const uint64_t lanes = coding.tile_lanes;
  const uint64_t tile_bytes = lanes == 0 ? 0 : divide_up(n_rows, lanes) * lanes * stride;
  CORDWOOD_RETURN_IF_FAILED(
      arena.reserve(code_bytes + scale_bytes + zero_bytes + sum_bytes + tile_bytes));
  std::byte* block = arena.bytes().data();
  std::byte* zeros = block + code_bytes + scale_bytes;
  std::byte* sums = zeros + zero_bytes;
  return CodedRows{.codes = reinterpret_cast<int8_t*>(block),
                   .scales = reinterpret_cast<float*>(block + code_bytes),
                   .zeros = symmetric ? nullptr : reinterpret_cast<int32_t*>(zeros),
                   .sums = reinterpret_cast<int32_t*>(sums),
                   .tiles = reinterpret_cast<uint8_t*>(sums + sum_bytes),
                   .stride = stride,
                   .row_scales = row_scales};
}

Status code_rows(const RowCoding& coding, const CodedRows& rows, uint64_t first, uint64_t n_rows,
                 unsigned threads, const ArrayKernels& kernels) noexcept {
  Batch batch{.coding = coding,
              .rows = rows,
              .kernels = kernels,
              .first_row = first,
              .n_rows = n_rows,
              .piece_rows = std::max<uint64_t>(kCodeRows, coding.tile_lanes)};
  if (threads > 1 && n_rows >= 2 * batch.piece_rows) {
    CORDWOOD_RETURN_IF_FAILED(
        run_tasks(threads, divide_up(n_rows, batch.piece_rows), &batch, Batch::make_codes));
  } else {
    batch.make_codes(0, n_rows);
  }
  const uint64_t row = batch.bad_row.load(std::memory_order_relaxed);
  if (row == UINT64_MAX) return {};
  return fail(CORDWOOD_STATUS_nan_refused, "x", "row {} holds NaN or an infinity", row);
}

ProductPieces cut_product(uint64_t n_rows, uint64_t n_panels, unsigned threads,
                          double microseconds) noexcept {
  const uint64_t row_blocks = divide_up(n_rows, kBlockRows);
  const auto pieces_a_thread = static_cast<uint64_t>(
      std::clamp(microseconds / threads / kPieceMicroseconds, kLeastPieces, kMostPieces));
  const uint64_t wanted =
      threads == 1 ? 1 : std::max<uint64_t>(1, threads * pieces_a_thread / row_blocks);
  const uint64_t piece_panels = divide_up(n_panels, wanted);
  return {row_blocks, piece_panels, divide_up(n_panels, piece_panels)};
}

unsigned product_threads(double microseconds, unsigned most) noexcept {
  return static_cast<unsigned>(
      std::clamp(microseconds / kThreadMicroseconds, 1.0, static_cast<double>(most)));
}

}  // namespace cordwood::runtime
