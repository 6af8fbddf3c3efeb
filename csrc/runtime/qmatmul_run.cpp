#include "runtime/qmatmul_run.hpp"

#include <algorithm>
#include <atomic>

#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kPanelOutputs;

/// Rows whose codes are made before they are multiplied: bounds the scratch, 4 MiB at 4096 inputs.
constexpr uint64_t kBatchRows = 1024;
/// Rows of one kernel call: their codes stay in L2 while a panel's weights pass.
constexpr uint64_t kBlockRows = 128;
/// Rows of a piece when several threads make codes.
constexpr uint64_t kCodeRows = 16;
/// Codes of neighbouring rows must not fall into the same set of L1: rows are so much apart.
constexpr uint64_t kRowGap = 64;

/// A thread is worth waking for so much work: it takes some ten microseconds to arrive.
constexpr double kThreadMicroseconds = 20.0;
constexpr double kProductsPerMicrosecond = 450e3;
constexpr double kFloatProductsPerMicrosecond = 110e3;
constexpr double kWeightBytesPerMicrosecond = 100e3;
/// Pieces a thread gets: several, so that one that arrives late is not waited for.
constexpr double kPieceMicroseconds = 100.0;
constexpr double kLeastPieces = 4.0;
constexpr double kMostPieces = 16.0;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// Codes, scales and sums of a batch of rows, in one block of memory.
struct CodedRows {
  int8_t* codes;
  float* scales;
  int32_t* sums;
  uint64_t stride;
  uint64_t row_scales;  // scales of a row
};

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
  CodedRows rows;
  uint64_t first_row;
  uint64_t n_rows;
  uint64_t piece_panels = 0;
  uint64_t column_pieces = 0;
  std::atomic<uint64_t> bad_row{UINT64_MAX};

  static void make_codes(void* batch, unsigned, uint64_t piece) noexcept {
    auto& self = *static_cast<Batch*>(batch);
    const uint64_t first = piece * kCodeRows;
    self.make_codes(first, std::min(kCodeRows, self.n_rows - first));
  }

  static void multiply(void* batch, unsigned slot, uint64_t piece) noexcept {
    static_cast<Batch*>(batch)->multiply(slot, piece);
  }

  void make_codes(uint64_t first, uint64_t count) noexcept;
  void multiply(unsigned slot, uint64_t piece) const noexcept;
};

void Batch::make_codes(uint64_t first, uint64_t count) noexcept {
  const DefaultFloatMode mode;
  const uint64_t n_inputs = plan.n_inputs();
  const uint64_t bad =
      kernels.quantize_rows_f32({.x = call.x + (first_row + first) * call.x_stride,
                                 .codes = rows.codes + first * rows.stride,
                                 .scales = rows.scales + first * rows.row_scales,
                                 .sums = rows.sums + first * plan.n_groups(),
                                 .x_stride = call.x_stride,
                                 .code_stride = rows.stride,
                                 .n_rows = count,
                                 .n_inputs = n_inputs,
                                 .padded_inputs = rows.stride - kRowGap,
                                 .scale_group = call.scale_group != 0 ? call.scale_group : n_inputs,
                                 .sum_group = plan.group_inputs(),
                                 .static_scale = call.static_scale,
                                 .sum_factor = plan.sum_factor()});
  if (bad == count) return;
  const uint64_t row = first_row + first + bad;
  uint64_t known = bad_row.load(std::memory_order_relaxed);
  while (row < known && !bad_row.compare_exchange_weak(known, row)) {
  }
}

void Batch::multiply(unsigned slot, uint64_t piece) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t first = piece / column_pieces * kBlockRows;
  const uint64_t panel = piece % column_pieces * piece_panels;
  const uint64_t column = panel * kPanelOutputs;
  const uint64_t row = first_row + first;
  kernels::QmatmulEnd end = call.end;
  end.out += row * end.out_stride + column;
  if (end.bias != nullptr) end.bias += column;
  if (end.residual != nullptr) end.residual += row * end.residual_stride + column;
  end.n_outputs = std::min(piece_panels * kPanelOutputs, plan.n_outputs() - column);
  const auto block_rows = static_cast<uint32_t>(std::min(kBlockRows, n_rows - first));
  if (uses_floats(plan, call)) {
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
double estimate(const QmatmulPlan& plan, const QmatmulCall& call, uint64_t n_rows) noexcept {
  const double products = static_cast<double>(plan.n_outputs()) *
                          static_cast<double>(plan.n_inputs()) * static_cast<double>(n_rows);
  const double rate =
      uses_floats(plan, call) ? kFloatProductsPerMicrosecond : kProductsPerMicrosecond;
  return std::max(products / rate,
                  static_cast<double>(plan.n_bytes()) / kWeightBytesPerMicrosecond);
}

Result<CodedRows> reserve_rows(Arena& arena, const QmatmulPlan& plan, const QmatmulCall& call,
                               uint64_t n_rows) noexcept {
  // Weights are whole steps of 32 inputs, codes whole registers of 64.
  const uint64_t stride = whole_lines(plan.n_inputs()) + kRowGap;
  const uint64_t row_scales =
      call.scale_group != 0 ? divide_up(plan.n_inputs(), call.scale_group) : 1;
  const uint64_t code_bytes = n_rows * stride;
  const uint64_t scale_bytes = whole_lines(n_rows * row_scales * sizeof(float));
  const uint64_t sum_bytes = n_rows * plan.n_groups() * sizeof(int32_t);
  CORDWOOD_RETURN_IF_FAILED(arena.reserve(code_bytes + scale_bytes + sum_bytes));
  std::byte* block = arena.bytes().data();
  return CodedRows{.codes = reinterpret_cast<int8_t*>(block),
                   .scales = reinterpret_cast<float*>(block + code_bytes),
                   .sums = reinterpret_cast<int32_t*>(block + code_bytes + scale_bytes),
                   .stride = stride,
                   .row_scales = row_scales};
}

Status run_batch(Batch& batch, unsigned threads, double microseconds) noexcept {
  if (uses_floats(batch.plan, batch.call)) {
    // Rows are multiplied as they are.
  } else if (threads > 1 && batch.n_rows >= 2 * kCodeRows) {
    CORDWOOD_RETURN_IF_FAILED(
        run_tasks(threads, divide_up(batch.n_rows, kCodeRows), &batch, Batch::make_codes));
  } else {
    batch.make_codes(0, batch.n_rows);
  }
  if (const uint64_t row = batch.bad_row.load(std::memory_order_relaxed); row != UINT64_MAX) {
    return fail(CORDWOOD_STATUS_nan_refused, "x", "row {} holds NaN or an infinity", row);
  }
  const uint64_t row_blocks = divide_up(batch.n_rows, kBlockRows);
  const auto pieces_a_thread = static_cast<uint64_t>(
      std::clamp(microseconds / threads / kPieceMicroseconds, kLeastPieces, kMostPieces));
  const uint64_t wanted =
      threads == 1 ? 1 : std::max<uint64_t>(1, threads * pieces_a_thread / row_blocks);
  batch.piece_panels = divide_up(batch.plan.n_panels(), std::max<uint64_t>(wanted, 1));
  batch.column_pieces = divide_up(batch.plan.n_panels(), batch.piece_panels);
  return run_tasks(threads, row_blocks * batch.column_pieces, &batch, Batch::multiply);
}

}  // namespace

Status run_qmatmul(QmatmulContext& context, const QmatmulPlan& plan, const QmatmulCall& call,
                   const ArrayKernels& kernels) noexcept {
  const uint64_t batch_rows = std::min(call.n_rows, kBatchRows);
  if (batch_rows == 0) return {};
  const double microseconds = estimate(plan, call, batch_rows);
  const auto threads = static_cast<unsigned>(
      std::clamp(microseconds / kThreadMicroseconds, 1.0, static_cast<double>(call.threads)));
  const uint64_t block_rows = std::min(batch_rows, kBlockRows);
  const bool floats = uses_floats(plan, call);
  CORDWOOD_RETURN_IF_FAILED(context.scratch.reserve(
      threads, floats ? kernels::qmatmul_f32_scratch_bytes(block_rows)
                      : kernels::qmatmul_scratch_bytes(block_rows, plan.group_steps())));
  const Result<CodedRows> rows =
      floats ? CodedRows{} : reserve_rows(context.rows, plan, call, batch_rows);
  if (!rows.ok()) return rows.status();
  for (uint64_t first = 0; first < call.n_rows; first += batch_rows) {
    Batch batch{.plan = plan,
                .call = call,
                .kernels = kernels,
                .scratch = context.scratch,
                .rows = *rows,
                .first_row = first,
                .n_rows = std::min(batch_rows, call.n_rows - first)};
    CORDWOOD_RETURN_IF_FAILED(run_batch(batch, threads, microseconds));
  }
  return {};
}

}  // namespace cordwood::runtime
