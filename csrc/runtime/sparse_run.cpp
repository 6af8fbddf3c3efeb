#include "runtime/sparse_run.hpp"

#include <algorithm>

#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

static_assert(kernels::kSparsePanel == kernels::kPanelOutputs);

/// Bytes of laid-out weights that a row, or a batch of them, takes a microsecond for.
constexpr double kRowBytesPerMicrosecond = 250e3;
constexpr double kWeightBytesPerMicrosecond = 80e3;

/// Up to so many rows go by eights, more by tiles of 32.
constexpr uint64_t kRowsByEights = 16;

/// A batch on its way through the pool.
struct Batch {
  const SparsePlan& plan;
  const SparseCall& call;
  const ArrayKernels& kernels;
  const Context& blocks;
  CodedRows rows;
  uint32_t lanes;
  uint64_t first_row;
  uint64_t n_rows;
  ProductPieces pieces;

  static void multiply(void* batch, unsigned slot, uint64_t piece) noexcept {
    static_cast<Batch*>(batch)->multiply(slot, piece);
  }

  void multiply(unsigned slot, uint64_t piece) const noexcept;
};

void Batch::multiply(unsigned slot, uint64_t piece) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t first = piece / pieces.column_pieces * kBlockRows;
  const uint64_t panel = piece % pieces.column_pieces * pieces.piece_panels;
  const ProductPiece part{.row = first_row + first,
                          .n_rows = std::min(kBlockRows, n_rows - first),
                          .panel = panel,
                          .n_panels = std::min(pieces.piece_panels, plan.n_panels() - panel)};
  float* block =
      call.answer.out == nullptr ? nullptr : reinterpret_cast<float*>(blocks.arena(slot).data());
  multiply_piece(part, call.end, call.answer, call.activation, block, kernels,
                 [&](uint64_t at, const kernels::SparseEnd& end) {
                   kernels.sparse_matmul_s8(
                       {.weights = plan.weights_from(at),
                        .rows = {.codes = rows.tiles + first * rows.stride,
                                 .scales = rows.scales + first,
                                 .zeros = rows.zeros == nullptr ? nullptr : rows.zeros + first,
                                 .stride = rows.stride,
                                 .n_rows = static_cast<uint32_t>(part.n_rows),
                                 .lanes = lanes},
                        .end = end});
                 });
}

/// Rows that lie side by side for a batch of so many.
uint32_t lanes_for(const SparsePlan& plan, uint64_t n_rows) noexcept {
  if (plan.kind() != kernels::SparseKind::blocks) return 1;
  if (n_rows > kRowsByEights) return kernels::kMostLanes;
  return n_rows > 4 ? 8 : n_rows > 1 ? 4 : 1;
}

/// Microseconds that one thread needs, roughly: the greater of arithmetic and memory.
double estimate(const SparsePlan& plan, uint64_t n_rows) noexcept {
  const auto bytes = static_cast<double>(plan.n_bytes());
  return std::max(bytes * static_cast<double>(n_rows) / kRowBytesPerMicrosecond,
                  bytes / kWeightBytesPerMicrosecond);
}

}  // namespace

Status run_sparse(SparseContext& context, const SparsePlan& plan, const SparseCall& call,
                  const ArrayKernels& kernels) noexcept {
  const uint64_t batch_rows = std::min(call.n_rows, kBatchRows);
  if (batch_rows == 0) return {};
  const double microseconds = estimate(plan, batch_rows);
  const unsigned threads = product_threads(microseconds, call.threads);
  if (call.answer.out != nullptr) {
    const uint64_t bytes = answer_bytes_up_to(std::min(batch_rows, kBlockRows));
    CORDWOOD_RETURN_IF_FAILED(context.blocks.reserve(threads, bytes));
  }
  const RowCoding coding{.source = call.rows,
                         .n_inputs = plan.n_inputs(),
                         .scale_group = 0,
                         .sum_group = plan.n_inputs(),
                         .n_sums = 1,
                         .sum_factor = 1,
                         .tile_lanes = lanes_for(plan, batch_rows)};
  const Result<CodedRows> rows = reserve_rows(context.rows, coding, batch_rows);
  if (!rows.ok()) return rows.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    const uint64_t n_rows = std::min(batch_rows, call.n_rows - first);
    CORDWOOD_RETURN_IF_FAILED(code_rows(coding, *rows, first, n_rows, threads, kernels));
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
                .blocks = context.blocks,
                .rows = *rows,
                .lanes = coding.tile_lanes,
                .first_row = first,
                .n_rows = n_rows,
                .pieces = cut_product(n_rows, plan.n_panels(), threads, microseconds)};
    CORDWOOD_RETURN_IF_FAILED(run_tasks(
        threads, batch.pieces.row_blocks * batch.pieces.column_pieces, &batch, Batch::multiply));
  }
  return {};
}

}  // namespace cordwood::runtime
