#include "runtime/qmatmul_run.hpp"

#include <algorithm>

#include "runtime/coded_rows.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/rounded_rows.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kPanelOutputs;

constexpr double kProductsPerMicrosecond = 450e3;
constexpr double kFloatProductsPerMicrosecond = 110e3;
constexpr double kBf16ProductsPerMicrosecond = 200e3;
constexpr double kWeightBytesPerMicrosecond = 100e3;

/// What activations are when they meet weights.
enum class Meeting { codes, floats, bf16 };

Meeting meeting_of(const QmatmulPlan& plan, const QmatmulCall& call) noexcept {
  if (call.bf16_rows) return Meeting::bf16;
  const bool codes = plan.kind() == kernels::WeightKind::codes && !call.float_rows;
  return codes ? Meeting::codes : Meeting::floats;
}

/// A batch on its way through the pool.
struct Batch {
  const QmatmulPlan& plan;
  const QmatmulCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  Meeting meeting;
  CodedRows rows;
  RoundedRows rounded;
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
  const uint64_t column = panel * kPanelOutputs;
  const uint64_t row = first_row + first;
  kernels::QmatmulEnd end = call.end;
  end.out += row * end.out_stride + column;
  if (end.bias != nullptr) end.bias += column;
  if (end.residual != nullptr) end.residual += row * end.residual_stride + column;
  end.n_outputs = std::min(pieces.piece_panels * kPanelOutputs, plan.n_outputs() - column);
  const auto block_rows = static_cast<uint32_t>(std::min(kBlockRows, n_rows - first));
  if (meeting == Meeting::bf16) {
    const kernels::QmatmulWeights weights = plan.weights_from(panel);
    return kernels.qmatmul_bf16({.panels = weights.panels,
                                 .x = rounded.pairs + first * rounded.stride,
                                 .panel_bytes = weights.panel_bytes,
                                 .x_stride = rounded.stride,
                                 .n_pairs = kernels::input_pairs(plan.n_inputs()),
                                 .n_rows = block_rows,
                                 .end = end,
                                 .scratch = scratch.arena(slot).data()});
  }
  if (meeting == Meeting::floats) {
    return kernels.qmatmul_f32({.kind = plan.kind(),
                                .weights = plan.weights_from(panel),
                                .x = call.x + row * call.x_stride,
                                .x_stride = call.x_stride,
                                .n_inputs = plan.n_inputs(),
                                .n_rows = block_rows,
                                .end = end,
                                .scratch = scratch.arena(slot).data()});
  }
  kernels.qmatmul_s8({.weights = plan.weights_from(panel),
                      .rows = {.codes = rows.codes + first * rows.stride,
                               .scales = rows.scales + first * rows.row_scales,
                               .sums = rows.sums + first * plan.n_groups(),
                               .code_stride = rows.stride,
                               .n_rows = block_rows,
                               .group_scales = call.scale_group != 0 ? 1u : 0u},
                      .end = end,
                      .scratch = scratch.arena(slot).data()});
}

/// Microseconds that one thread needs, roughly: the greater of arithmetic and memory.
double estimate(const QmatmulPlan& plan, Meeting meeting, uint64_t n_rows) noexcept {
  const double products = static_cast<double>(plan.n_outputs()) *
                          static_cast<double>(plan.n_inputs()) * static_cast<double>(n_rows);
  const double rate = meeting == Meeting::codes    ? kProductsPerMicrosecond
                      : meeting == Meeting::floats ? kFloatProductsPerMicrosecond
                                                   : kBf16ProductsPerMicrosecond;
  return std::max(products / rate,
                  static_cast<double>(plan.n_bytes()) / kWeightBytesPerMicrosecond);
}

RowCoding coding_of(const QmatmulPlan& plan, const QmatmulCall& call) noexcept {
  return {.x = call.x,
          .x_stride = call.x_stride,
          .n_inputs = plan.n_inputs(),
          .scale_group = call.scale_group,
          .sum_group = plan.group_inputs(),
          .n_sums = plan.n_groups(),
          .sum_factor = plan.sum_factor(),
          .static_scale = call.static_scale,
          .tile_lanes = 0};
}

uint64_t scratch_bytes(const QmatmulPlan& plan, Meeting meeting, uint64_t n_rows) noexcept {
  switch (meeting) {
    case Meeting::codes:
      return kernels::qmatmul_scratch_bytes(n_rows, plan.group_steps());
    case Meeting::floats:
      return kernels::qmatmul_f32_scratch_bytes(n_rows);
    default:
      return kernels::qmatmul_bf16_scratch_bytes(n_rows);
  }
}

}  // namespace

Status run_qmatmul(QmatmulContext& context, const QmatmulPlan& plan, const QmatmulCall& call,
                   const ArrayKernels& kernels) noexcept {
  const uint64_t batch_rows = std::min(call.n_rows, kBatchRows);
  if (batch_rows == 0) return {};
  const Meeting meeting = meeting_of(plan, call);
  if (meeting == Meeting::bf16 && plan.kind() != kernels::WeightKind::bfloat16) {
    return fail(CORDWOOD_STATUS_dtype_not_supported, "activations",
                "bfloat16 activations meet bfloat16 weights only");
  }
  const double microseconds = estimate(plan, meeting, batch_rows);
  const unsigned threads = product_threads(microseconds, call.threads);
  CORDWOOD_RETURN_IF_FAILED(context.scratch.reserve(
      threads, scratch_bytes(plan, meeting, std::min(batch_rows, kBlockRows))));
  const RowCoding coding = meeting == Meeting::codes ? coding_of(plan, call) : RowCoding{};
  const Result<CodedRows> rows = meeting == Meeting::codes
                                     ? reserve_rows(context.rows, coding, batch_rows)
                                     : Result<CodedRows>(CodedRows{});
  if (!rows.ok()) return rows.status();
  const RowRounding rounding{call.x, call.x_stride, plan.n_inputs()};
  const Result<RoundedRows> rounded = meeting == Meeting::bf16
                                          ? reserve_rounded(context.rows, rounding, batch_rows)
                                          : Result<RoundedRows>(RoundedRows{});
  if (!rounded.ok()) return rounded.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    const uint64_t n_rows = std::min(batch_rows, call.n_rows - first);
    if (meeting == Meeting::codes) {
      CORDWOOD_RETURN_IF_FAILED(code_rows(coding, *rows, first, n_rows, threads, kernels));
    } else if (meeting == Meeting::bf16) {
      CORDWOOD_RETURN_IF_FAILED(round_rows(rounding, *rounded, first, n_rows, threads, kernels));
    }
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
                .scratch = context.scratch,
                .meeting = meeting,
                .rows = *rows,
                .rounded = *rounded,
                .first_row = first,
                .n_rows = n_rows,
                .pieces = cut_product(n_rows, plan.n_panels(), threads, microseconds)};
    CORDWOOD_RETURN_IF_FAILED(run_tasks(
        threads, batch.pieces.row_blocks * batch.pieces.column_pieces, &batch, Batch::multiply));
  }
  return {};
}

}  // namespace cordwood::runtime
