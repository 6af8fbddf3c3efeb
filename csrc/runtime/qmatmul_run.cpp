#include "runtime/qmatmul_run.hpp"

#include <algorithm>

#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

constexpr double kProductsPerMicrosecond = 450e3;
constexpr double kFloatProductsPerMicrosecond = 110e3;
constexpr double kWeightBytesPerMicrosecond = 100e3;

/// Whether the product itself is of floats.
bool uses_floats(const QmatmulPlan& plan, const QmatmulCall& call) noexcept {
  return call.float_rows || plan.kind() != kernels::WeightKind::codes;
}

/// A batch on its way through the pool.
struct Batch {
  const QmatmulPlan& plan;
  const QmatmulCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  uint64_t kernel_bytes;  ///< of a thread's scratch
  CodedRows rows;
  uint64_t first_row;
  uint64_t n_rows;
  ProductPieces pieces;

  static void multiply(void* batch, unsigned slot, uint64_t piece) noexcept {
    static_cast<Batch*>(batch)->multiply(slot, piece);
  }

  void multiply(unsigned slot, uint64_t piece) const noexcept;
  void multiply_block(uint64_t first, uint32_t block_rows, uint64_t panel,
                      const kernels::QmatmulEnd& end, void* own) const noexcept;
};

void Batch::multiply(unsigned slot, uint64_t piece) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t first = piece / pieces.column_pieces * kBlockRows;
  const uint64_t panel = piece % pieces.column_pieces * pieces.piece_panels;
  const ProductPiece part{.row = first_row + first,
                          .n_rows = std::min(kBlockRows, n_rows - first),
                          .panel = panel,
                          .n_panels = std::min(pieces.piece_panels, plan.n_panels() - panel)};
  std::byte* own = scratch.arena(slot).data();
  multiply_piece(part, call.end, call.answer, call.activation,
                 reinterpret_cast<float*>(own + kernel_bytes), kernels,
                 [&](uint64_t at, const kernels::QmatmulEnd& end) {
                   multiply_block(first, static_cast<uint32_t>(part.n_rows), at, end, own);
                 });
}

void Batch::multiply_block(uint64_t first, uint32_t block_rows, uint64_t panel,
                           const kernels::QmatmulEnd& end, void* own) const noexcept {
  if (uses_floats(plan, call)) {
    return kernels.qmatmul_f32({.kind = plan.kind(),
                                .weights = plan.weights_from(panel),
                                .x = call.rows.x + (first_row + first) * call.rows.stride,
                                .x_stride = call.rows.stride,
                                .n_inputs = plan.n_inputs(),
                                .n_rows = block_rows,
                                .end = end,
                                .scratch = own});
  }
  const uint64_t scale = first * rows.row_scales;
  kernels.qmatmul_s8({.weights = plan.weights_from(panel),
                      .rows = {.codes = rows.codes + first * rows.stride,
                               .scales = rows.scales + scale,
                               .zeros = rows.zeros == nullptr ? nullptr : rows.zeros + scale,
                               .sums = rows.sums + first * plan.n_groups(),
                               .code_stride = rows.stride,
                               .n_rows = block_rows,
                               .group_scales = call.scale_group != 0 ? 1u : 0u},
                      .end = end,
                      .scratch = own});
}

/// Microseconds that one thread needs, roughly: the greater of arithmetic and memory.
double estimate(const QmatmulPlan& plan, const QmatmulCall& call, uint64_t n_rows) noexcept {
  const double products = static_cast<double>(plan.n_outputs()) *
                          static_cast<double>(plan.n_inputs()) * static_cast<double>(n_rows);
  const double rate =
      uses_floats(plan, call) ? kFloatProductsPerMicrosecond : kProductsPerMicrosecond;
  return std::max(products / rate,
                  static_cast<double>(plan.n_bytes()) / kWeightBytesPerMicrosecond);
}

RowCoding coding_of(const QmatmulPlan& plan, const QmatmulCall& call) noexcept {
  return {.source = call.rows,
          .n_inputs = plan.n_inputs(),
          .scale_group = call.scale_group,
          .sum_group = plan.group_inputs(),
          .n_sums = plan.n_groups(),
          .sum_factor = plan.sum_factor(),
          .tile_lanes = 0};
}

}  // namespace

Status run_qmatmul(QmatmulContext& context, const QmatmulPlan& plan, const QmatmulCall& call,
                   const ArrayKernels& kernels) noexcept {
  const uint64_t batch_rows = std::min(call.n_rows, kBatchRows);
  if (batch_rows == 0) return {};
  const double microseconds = estimate(plan, call, batch_rows);
  const unsigned threads = product_threads(microseconds, call.threads);
  const uint64_t block_rows = std::min(batch_rows, kBlockRows);
  const bool floats = uses_floats(plan, call);
  if (floats && call.rows.x == nullptr) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "x", "codes; such a product takes float32");
  }
  const uint64_t kernel_bytes =
      whole_lines(floats ? kernels::qmatmul_f32_scratch_bytes(block_rows)
                         : kernels::qmatmul_scratch_bytes(block_rows, plan.group_steps()));
  const uint64_t block_bytes = call.answer.out == nullptr ? 0 : answer_bytes_up_to(block_rows);
  CORDWOOD_RETURN_IF_FAILED(context.scratch.reserve(threads, kernel_bytes + block_bytes));
  const RowCoding coding = floats ? RowCoding{} : coding_of(plan, call);
  const Result<CodedRows> rows =
      floats ? CodedRows{} : reserve_rows(context.rows, coding, batch_rows);
  if (!rows.ok()) return rows.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    const uint64_t n_rows = std::min(batch_rows, call.n_rows - first);
    if (!floats) {
      CORDWOOD_RETURN_IF_FAILED(code_rows(coding, *rows, first, n_rows, threads, kernels));
    }
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
                .scratch = context.scratch,
                .kernel_bytes = kernel_bytes,
                .rows = *rows,
                .first_row = first,
                .n_rows = n_rows,
                .pieces = cut_product(n_rows, plan.n_panels(), threads, microseconds)};
    CORDWOOD_RETURN_IF_FAILED(run_tasks(
        threads, batch.pieces.row_blocks * batch.pieces.column_pieces, &batch, Batch::multiply));
  }
  return {};
}

}  // namespace cordwood::runtime
