#include "runtime/qmatmul_run.hpp"

#include <algorithm>

#include "runtime/float_mode.hpp"
#include "runtime/rounded_rows.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

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
  uint64_t kernel_bytes;  ///< of a thread's scratch
  CodedRows rows;
  RoundedRows rounded;
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
  if (meeting == Meeting::bf16) {
    const kernels::QmatmulWeights weights = plan.weights_from(panel);
    return kernels.qmatmul_bf16({.panels = weights.panels,
                                 .x = rounded.pairs + first * rounded.stride,
                                 .panel_bytes = weights.panel_bytes,
                                 .x_stride = rounded.stride,
                                 .n_pairs = kernels::input_pairs(plan.n_inputs()),
                                 .n_rows = block_rows,
                                 .end = end,
                                 .scratch = own});
  }
  if (meeting == Meeting::floats) {
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
  return {.source = call.rows,
          .n_inputs = plan.n_inputs(),
          .scale_group = call.scale_group,
          .sum_group = plan.group_inputs(),
          .n_sums = plan.n_groups(),
          .sum_factor = plan.sum_factor(),
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
  if (meeting != Meeting::codes && call.rows.x == nullptr) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "x", "codes; such a product takes float32");
  }
  const uint64_t block_rows = std::min(batch_rows, kBlockRows);
  const uint64_t kernel_bytes = whole_lines(scratch_bytes(plan, meeting, block_rows));
  const uint64_t block_bytes = call.answer.out == nullptr ? 0 : answer_bytes_up_to(block_rows);
  CORDWOOD_RETURN_IF_FAILED(context.scratch.reserve(threads, kernel_bytes + block_bytes));
  const RowCoding coding = meeting == Meeting::codes ? coding_of(plan, call) : RowCoding{};
  RowsAtHand& hand = context.at_hand;
  const bool coded = call.same_rows && meeting == Meeting::codes && hand.n_rows == call.n_rows &&
                     hand.coding == coding;
  if (!coded) hand.n_rows = 0;
  const Result<CodedRows> rows = coded ? Result<CodedRows>(hand.rows)
                                 : meeting == Meeting::codes
                                     ? reserve_rows(context.rows, coding, batch_rows)
                                     : Result<CodedRows>(CodedRows{});
  if (!rows.ok()) return rows.status();
  const RowRounding rounding{call.rows.x, call.rows.stride, plan.n_inputs()};
  const Result<RoundedRows> rounded = meeting == Meeting::bf16
                                          ? reserve_rounded(context.rows, rounding, batch_rows)
                                          : Result<RoundedRows>(RoundedRows{});
  if (!rounded.ok()) return rounded.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    const uint64_t n_rows = std::min(batch_rows, call.n_rows - first);
    if (meeting == Meeting::codes && !coded) {
      CORDWOOD_RETURN_IF_FAILED(code_rows(coding, *rows, first, n_rows, threads, kernels));
    } else if (meeting == Meeting::bf16) {
      CORDWOOD_RETURN_IF_FAILED(round_rows(rounding, *rounded, first, n_rows, threads, kernels));
    }
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
                .scratch = context.scratch,
                .meeting = meeting,
                .kernel_bytes = kernel_bytes,
                .rows = *rows,
                .rounded = *rounded,
                .first_row = first,
                .n_rows = n_rows,
                .pieces = cut_product(n_rows, plan.n_panels(), threads, microseconds)};
    CORDWOOD_RETURN_IF_FAILED(run_tasks(
        threads, batch.pieces.row_blocks * batch.pieces.column_pieces, &batch, Batch::multiply));
  }
  if (meeting == Meeting::codes && call.n_rows == batch_rows) hand = {coding, *rows, call.n_rows};
  return {};
}

}  // namespace cordwood::runtime
