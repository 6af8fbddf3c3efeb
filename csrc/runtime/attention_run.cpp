#include "runtime/attention_run.hpp"

#include "runtime/activation_panels.hpp"
#include "runtime/attention_blocks.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::KeySpan;
using kernels::kPackColumns;

constexpr double kProductsPerMicrosecond = 110e3;
constexpr double kWeightsPerMicrosecond = 4e3;
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
  AttentionTasks tasks;

  static void attend(void* work, unsigned slot, uint64_t index) noexcept {
    static_cast<const Work*>(work)->attend(slot, index);
  }

  void attend(unsigned slot, uint64_t index) const noexcept;
  void attend_block(const Desk& desk, const AttentionBlock& block, const float* values,
                    bool finite) const noexcept;
  [[nodiscard]] Desk desk_of(std::span<std::byte> arena) const noexcept;
  [[nodiscard]] uint64_t scratch_bytes() const noexcept;
};

uint64_t Work::scratch_bytes() const noexcept {
  const uint64_t keys = kernels::packed_floats(call.n_inputs, call.n_keys);
  const uint64_t values = kernels::packed_floats(call.n_keys, call.n_columns);
  return whole_lines(keys * sizeof(float)) + whole_lines(values * sizeof(float)) +
         whole_lines(tasks.block_rows * score_stride(call) * sizeof(float)) +
         whole_lines(tasks.block_rows * sizeof(float)) +
         whole_lines(tasks.block_rows * sizeof(KeySpan)) +
         kernels::qmatmul_f32_scratch_bytes(tasks.block_rows);
}

Desk Work::desk_of(std::span<std::byte> arena) const noexcept {
  ScratchCutter cutter{arena};
  Desk desk{};
  desk.keys = cutter.take<float>(kernels::packed_floats(call.n_inputs, call.n_keys));
  desk.values = cutter.take<float>(kernels::packed_floats(call.n_keys, call.n_columns));
  desk.scores = cutter.take<float>(tasks.block_rows * score_stride(call));
  desk.divisors = cutter.take<float>(tasks.block_rows);
  desk.spans = cutter.take<KeySpan>(tasks.block_rows);
  desk.sums = cutter.take<std::byte>(kernels::qmatmul_f32_scratch_bytes(tasks.block_rows));
  return desk;
}

/// Panels of one pair of keys and values, then a share of the blocks that meet them.
void Work::attend(unsigned slot, uint64_t index) const noexcept {
  const DefaultFloatMode mode;
  const AttentionShare share = tasks.share_of(call, index);
  const Desk desk = desk_of(scratch.arena(slot));
  const float* values = values_of(call, share);
  pack_outputs(kernels, keys_of(call, share), call.key_steps.row, call.n_keys, call.n_inputs,
               desk.keys);
  const bool finite = kernels.pack_rows_f32({.from = values,
                                             .stride = call.value_steps.row,
                                             .n_inputs = call.n_keys,
                                             .n_outputs = call.n_columns,
                                             .panels = desk.values});
  for (uint64_t block = share.first_block; block < share.last_block; ++block) {
    attend_block(desk, block_of(call, tasks, share, block), values, finite);
  }
}

void Work::attend_block(const Desk& desk, const AttentionBlock& block, const float* values,
                        bool finite) const noexcept {
  if (block.sees_nothing()) return clear_rows(call, block);
  const uint64_t begin = block.begin;
  float* out = block.out(call);
  kernels::AttentionWeights weights = weights_of(call, block, desk.scores, desk.spans);
  weights.marks = finite ? 0u : 1u;
  weights.divisors = desk.divisors;
  multiply_panels(kernels,
                  {.numbers = desk.keys + begin * call.n_inputs,
                   .n_inputs = call.n_inputs,
                   .panel_floats = kPackColumns * call.n_inputs},
                  {.x = block.queries(call),
                   .x_stride = call.query_steps.row,
                   .n_rows = block.n_rows,
                   .out = desk.scores,
                   .out_stride = weights.stride,
                   .n_outputs = weights.width,
                   .scratch = desk.sums});
  kernels.attention_weights_f32(weights);
  if (finite) {
    multiply_panels(kernels,
                    {.numbers = desk.values + begin * kPackColumns,
                     .n_inputs = block.n_keys(),
                     .panel_floats = kPackColumns * call.n_keys},
                    {.x = desk.scores,
                     .x_stride = weights.stride,
                     .n_rows = block.n_rows,
                     .out = out,
                     .out_stride = call.out_steps.row,
                     .n_outputs = call.n_columns,
                     .scratch = desk.sums});
  } else {
    kernels.attention_values_f32({.weights = desk.scores,
                                  .weight_stride = weights.stride,
                                  .values = values + begin * call.value_steps.row,
                                  .value_stride = call.value_steps.row,
                                  .out = out,
                                  .out_stride = call.out_steps.row,
                                  .n_rows = block.n_rows,
                                  .n_keys = block.n_keys(),
                                  .n_columns = call.n_columns});
  }
  kernels.end_rows_f32({.out = out,
                        .stride = call.out_steps.row,
                        .n_rows = block.n_rows,
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
  if (call.coded) return run_coded_attention(scratch, call, kernels);
  Work work{.call = call,
            .kernels = kernels,
            .scratch = scratch,
            .tasks = AttentionTasks(call, estimate(call))};
  const unsigned threads = work.tasks.threads;
  CORDWOOD_RETURN_IF_FAILED(scratch.reserve(threads, work.scratch_bytes()));
  return run_tasks(threads, n_tasks * work.tasks.pieces, &work, Work::attend);
}

}  // namespace cordwood::runtime
