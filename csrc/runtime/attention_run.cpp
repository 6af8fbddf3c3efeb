#include "runtime/attention_run.hpp"

#include "runtime/activation_panels.hpp"
#include "runtime/coded_rows.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::KeySpan;
using kernels::kPackColumns;
using kernels::kSumLanes;

constexpr double kProductsPerMicrosecond = 110e3;
constexpr double kWeightsPerMicrosecond = 4e3;
/// Rows of a block: whole tiles of qmatmul_f32. As many as keep their scores in the second cache
/// level beside the panels, but enough that a panel is not fetched for one tile alone.
constexpr uint64_t kTileRows = 12;
constexpr uint64_t kMostRows = 4 * kTileRows;
constexpr uint64_t kScoreBytes = uint64_t{256} << 10;
/// Where rows see different keys, a high block computes much that is not seen.
constexpr uint64_t kMostCutRows = 2 * kTileRows;
/// Tasks for each thread, so that none waits long for the last one.
constexpr uint64_t kTasksPerThread = 4;

constexpr uint64_t pieces_of(uint64_t whole, uint64_t piece) noexcept {
  return (whole + piece - 1) / piece;
}

constexpr uint64_t padded_to(uint64_t count, uint64_t step) noexcept {
  return pieces_of(count, step) * step;
}

/// Floats from row to row of scores: a line more than they need, so that rows of 4 KiB do not meet in
/// one set of the first cache level.
constexpr uint64_t score_stride(const AttentionCall& call) noexcept {
  return padded_to(call.n_keys, kPackColumns) + kSumLanes;
}

uint64_t rows_of_block(const AttentionCall& call) noexcept {
  const uint64_t most = call.causal || call.window != 0 ? kMostCutRows : kMostRows;
  const uint64_t fit = kScoreBytes / (score_stride(call) * sizeof(float));
  return std::min(std::clamp(fit / kTileRows * kTileRows, kTileRows, most), call.n_queries);
}

/// The keys of a query: with its own place p = query + n_keys - n_queries, causal ones are at most p,
/// those in the window less than `window` away from p.
KeySpan span_of(const AttentionCall& call, uint64_t query) noexcept {
  // Counted from a place that no query's is below: n_queries before key 0.
  const uint64_t own = query + call.n_keys;
  const uint64_t zero = call.n_queries;
  uint64_t last = zero + call.n_keys;
  if (call.causal) last = std::min(last, own + 1);
  uint64_t first = zero;
  if (call.window != 0) {
    const uint64_t window = std::min(call.window, zero + call.n_keys);  // as good as any larger one
    last = std::min(last, own + window);
    if (own + 1 > window) first = std::max(first, own + 1 - window);
  }
  last = std::max(last, zero);
  first = std::min(first, last);
  return {first - zero, last - zero};
}

/// What one thread works in.
struct Desk {
  float* keys;      ///< panels
  float* values;    ///< panels
  float* scores;    ///< [row][key]
  float* divisors;  ///< [row]
  KeySpan* spans;   ///< [row]
  std::byte* sums;  ///< of qmatmul_f32
};

struct Work {
  const AttentionCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  uint64_t block_rows;
  uint64_t n_blocks;  ///< of all heads that share keys and values
  uint64_t pieces;    ///< tasks that share those

  static void attend(void* work, unsigned slot, uint64_t index) noexcept {
    static_cast<const Work*>(work)->attend(slot, index);
  }

  void attend(unsigned slot, uint64_t index) const noexcept;
  void attend_block(const Desk& desk, uint64_t batch, uint64_t head, uint64_t first_row,
                    bool finite) const noexcept;
  [[nodiscard]] Desk desk_of(std::span<std::byte> arena) const noexcept;
  [[nodiscard]] uint64_t scratch_bytes() const noexcept;
};

uint64_t Work::scratch_bytes() const noexcept {
  const uint64_t keys = kernels::packed_floats(call.n_inputs, call.n_keys);
  const uint64_t values = kernels::packed_floats(call.n_keys, call.n_columns);
  return whole_lines(keys * sizeof(float)) + whole_lines(values * sizeof(float)) +
         whole_lines(block_rows * score_stride(call) * sizeof(float)) +
         whole_lines(block_rows * sizeof(float)) + whole_lines(block_rows * sizeof(KeySpan)) +
         kernels::qmatmul_f32_scratch_bytes(block_rows);
}

Desk Work::desk_of(std::span<std::byte> arena) const noexcept {
  ScratchCutter cutter{arena};
  Desk desk{};
  desk.keys = cutter.take<float>(kernels::packed_floats(call.n_inputs, call.n_keys));
  desk.values = cutter.take<float>(kernels::packed_floats(call.n_keys, call.n_columns));
  desk.scores = cutter.take<float>(block_rows * score_stride(call));
  desk.divisors = cutter.take<float>(block_rows);
  desk.spans = cutter.take<KeySpan>(block_rows);
  desk.sums = cutter.take<std::byte>(kernels::qmatmul_f32_scratch_bytes(block_rows));
  return desk;
}

/// Panels of one pair of keys and values, then a share of the blocks that meet them.
void Work::attend(unsigned slot, uint64_t index) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t piece = index % pieces;
  const uint64_t kv_head = index / pieces % call.n_kv_heads;
  const uint64_t batch = index / pieces / call.n_kv_heads;
  const Desk desk = desk_of(scratch.arena(slot));
  pack_outputs(kernels, call.keys + batch * call.key_steps.batch + kv_head * call.key_steps.head,
               call.key_steps.row, call.n_keys, call.n_inputs, desk.keys);
  const bool finite = kernels.pack_rows_f32(
      {.from = call.values + batch * call.value_steps.batch + kv_head * call.value_steps.head,
       .stride = call.value_steps.row,
       .n_inputs = call.n_keys,
       .n_outputs = call.n_columns,
       .panels = desk.values});
  const uint64_t group = call.n_heads / call.n_kv_heads;
  const uint64_t head_blocks = n_blocks / group;
  for (uint64_t block = n_blocks * piece / pieces; block < n_blocks * (piece + 1) / pieces;
       ++block) {
    attend_block(desk, batch, kv_head * group + block / head_blocks,
                 block % head_blocks * block_rows, finite);
  }
}

void Work::attend_block(const Desk& desk, uint64_t batch, uint64_t head, uint64_t first_row,
                        bool finite) const noexcept {
  const uint64_t n_rows = std::min(block_rows, call.n_queries - first_row);
  float* out = call.out + batch * call.out_steps.batch + head * call.out_steps.head +
               first_row * call.out_steps.row;
  // Spans only move up: the first row has the first key, the last row the last one.
  const uint64_t begin = span_of(call, first_row).first / kPackColumns * kPackColumns;
  const uint64_t end = span_of(call, first_row + n_rows - 1).last;
  if (end <= begin) {
    for (uint64_t row = 0; row < n_rows; ++row) {
      std::fill_n(out + row * call.out_steps.row, call.n_columns, 0.0f);
    }
    return;
  }
  for (uint64_t row = 0; row < n_rows; ++row) {
    const KeySpan span = span_of(call, first_row + row);
    // A row that sees nothing may have its empty span before `begin`.
    desk.spans[row] = {std::max(span.first, begin) - begin, std::max(span.last, begin) - begin};
  }
  const uint64_t n_keys = end - begin;
  const uint64_t stride = score_stride(call);
  multiply_panels(kernels,
                  {.numbers = desk.keys + begin * call.n_inputs,
                   .n_inputs = call.n_inputs,
                   .panel_floats = kPackColumns * call.n_inputs},
                  {.x = call.queries + batch * call.query_steps.batch +
                        head * call.query_steps.head + first_row * call.query_steps.row,
                   .x_stride = call.query_steps.row,
                   .n_rows = n_rows,
                   .out = desk.scores,
                   .out_stride = stride,
                   .n_outputs = padded_to(n_keys, kSumLanes),
                   .scratch = desk.sums});
  const uint64_t mask_at = batch * call.mask_steps.batch + head * call.mask_steps.head +
                           first_row * call.mask_steps.row + begin;
  const uint64_t entry = call.mask_kind == kernels::AttentionMask::numbers ? sizeof(float) : 1;
  kernels.attention_weights_f32(
      {.scores = desk.scores,
       .stride = stride,
       .n_rows = n_rows,
       .width = padded_to(n_keys, kSumLanes),
       .spans = desk.spans,
       .scale = call.scale,
       .soft_cap = call.soft_cap,
       .mask_kind = call.mask_kind,
       .mask = call.mask == nullptr ? nullptr
                                    : static_cast<const std::byte*>(call.mask) + mask_at * entry,
       .mask_stride = call.mask_steps.row,
       .mask_width = call.n_keys - begin,
       .marks = finite ? 0u : 1u,
       .divisors = desk.divisors});
  if (finite) {
    multiply_panels(kernels,
                    {.numbers = desk.values + begin * kPackColumns,
                     .n_inputs = n_keys,
                     .panel_floats = kPackColumns * call.n_keys},
                    {.x = desk.scores,
                     .x_stride = stride,
                     .n_rows = n_rows,
                     .out = out,
                     .out_stride = call.out_steps.row,
                     .n_outputs = call.n_columns,
                     .scratch = desk.sums});
  } else {
    const uint64_t kv_head = head / (call.n_heads / call.n_kv_heads);
    kernels.attention_values_f32({.weights = desk.scores,
                                  .weight_stride = stride,
                                  .values = call.values + batch * call.value_steps.batch +
                                            kv_head * call.value_steps.head +
                                            begin * call.value_steps.row,
                                  .value_stride = call.value_steps.row,
                                  .out = out,
                                  .out_stride = call.out_steps.row,
                                  .n_rows = n_rows,
                                  .n_keys = n_keys,
                                  .n_columns = call.n_columns});
  }
  kernels.end_rows_f32({.out = out,
                        .stride = call.out_steps.row,
                        .n_rows = n_rows,
                        .n_columns = call.n_columns,
                        .divisors = desk.divisors});
}

/// Microseconds that one thread needs, roughly.
double estimate(const AttentionCall& call) noexcept {
  const double scores = static_cast<double>(call.n_batch * call.n_heads) *
                        static_cast<double>(call.n_queries) * static_cast<double>(call.n_keys);
  const auto products = static_cast<double>(call.n_inputs + call.n_columns);
  return scores * (products / kProductsPerMicrosecond + 1.0 / kWeightsPerMicrosecond);
}

}  // namespace

Status run_attention(Context& scratch, const AttentionCall& call,
                     const ArrayKernels& kernels) noexcept {
  const uint64_t n_tasks = call.n_batch * call.n_kv_heads;
  if (n_tasks == 0 || call.n_heads == 0 || call.n_queries == 0 || call.n_columns == 0) return {};
  const unsigned threads = product_threads(estimate(call), call.threads);
  const uint64_t block_rows = rows_of_block(call);
  const uint64_t n_blocks = call.n_heads / call.n_kv_heads * pieces_of(call.n_queries, block_rows);
  const uint64_t wanted = threads == 1 ? 1 : pieces_of(threads * kTasksPerThread, n_tasks);
  Work work{.call = call,
            .kernels = kernels,
            .scratch = scratch,
            .block_rows = block_rows,
            .n_blocks = n_blocks,
            .pieces = std::min(wanted, n_blocks)};
  CORDWOOD_RETURN_IF_FAILED(scratch.reserve(threads, work.scratch_bytes()));
  return run_tasks(threads, n_tasks * work.pieces, &work, Work::attend);
}

}  // namespace cordwood::runtime
