#include "runtime/sparse_run.hpp"

#include <algorithm>

#include "runtime/coded_rows.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kSparsePanel;

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
  CodedRows rows;
  uint32_t lanes;
  uint64_t first_row;
  uint64_t n_rows;
  ProductPieces pieces;

  static void multiply(void* batch, unsigned, uint64_t piece) noexcept {
    static_cast<Batch*>(batch)->multiply(piece);
  }

  void multiply(uint64_t piece) const noexcept;
};

void Batch::multiply(uint64_t piece) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t first = piece / pieces.column_pieces * kBlockRows;
  const uint64_t panel = piece % pieces.column_pieces * pieces.piece_panels;
  const uint64_t column = panel * kSparsePanel;
  const uint64_t row = first_row + first;
  kernels::SparseEnd end = call.end;
  end.out += row * end.out_stride + column;
  if (end.bias != nullptr) end.bias += column;
  if (end.residual != nullptr) end.residual += row * end.residual_stride + column;
  end.n_outputs = std::min(pieces.piece_panels * kSparsePanel, plan.n_outputs() - column);
  const uint64_t block_rows = std::min(kBlockRows, n_rows - first);
  kernels.sparse_matmul_s8({.weights = plan.weights_from(panel),
                            .rows = {.codes = rows.tiles + first * rows.stride,
                                     .scales = rows.scales + first,
                                     .stride = rows.stride,
                                     .n_rows = static_cast<uint32_t>(block_rows),
                                     .lanes = lanes},
                            .end = end});
  activate_block(kernels, call.activation, end.out, end.out_stride, block_rows, end.n_outputs);
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

Status run_sparse(Arena& arena, const SparsePlan& plan, const SparseCall& call,
                  const ArrayKernels& kernels) noexcept {
  const uint64_t batch_rows = std::min(call.n_rows, kBatchRows);
  if (batch_rows == 0) return {};
  const double microseconds = estimate(plan, batch_rows);
  const unsigned threads = product_threads(microseconds, call.threads);
  const RowCoding coding{.x = call.x,
                         .x_stride = call.x_stride,
                         .n_inputs = plan.n_inputs(),
                         .scale_group = 0,
                         .sum_group = plan.n_inputs(),
                         .n_sums = 1,
                         .sum_factor = 1,
                         .static_scale = call.static_scale,
                         .tile_lanes = lanes_for(plan, batch_rows)};
  const Result<CodedRows> rows = reserve_rows(arena, coding, batch_rows);
  if (!rows.ok()) return rows.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    const uint64_t n_rows = std::min(batch_rows, call.n_rows - first);
    CORDWOOD_RETURN_IF_FAILED(code_rows(coding, *rows, first, n_rows, threads, kernels));
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
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
