// Attention whose products are of integers (docs/graph.md, attention): keys, values and queries to codes,
// then blocks of queries as attention_run.cpp has them.
#include <cmath>
#include <limits>

#include "runtime/attention_blocks.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kCodedPanel;
using kernels::kCodedStep;
using kernels::KeySpan;

constexpr double kProductsPerMicrosecond = 350e3;
constexpr double kWeightsPerMicrosecond = 6e3;
constexpr double kCodesPerMicrosecond = 4e3;

/// What one thread works in.
struct Desk {
  int8_t* key_codes;     ///< [key][input]
  int8_t* keys;          ///< panels
  float* key_scales;     ///< [key]
  int8_t* value_codes;   ///< [key][column]
  int16_t* values;       ///< panels
  float* value_scales;   ///< [key]
  int8_t* queries;       ///< [row][input]
  float* query_factors;  ///< [row]
  float* scores;         ///< [row][key], then codes of weights in the first half of each row
  float* factors;        ///< [row]
  KeySpan* spans;        ///< [row]
};

/// Sizes of a head, filled up.
struct Filled {
  uint64_t inputs;
  uint64_t columns;
  uint64_t keys;

  explicit Filled(const AttentionCall& call) noexcept
      : inputs(padded_to(call.n_inputs, kCodedStep)),
        columns(padded_to(call.n_columns, kCodedPanel)),
        keys(padded_to(call.n_keys, kCodedPanel)) {}
};

struct Work {
  const AttentionCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  AttentionTasks tasks;
  Filled filled;

  static void attend(void* work, unsigned slot, uint64_t index) noexcept {
    static_cast<const Work*>(work)->attend(slot, index);
  }

  void attend(unsigned slot, uint64_t index) const noexcept;
  void code_keys(const Desk& desk, const float* keys) const noexcept;
  void code_values(const Desk& desk, const float* values) const noexcept;
  void attend_block(const Desk& desk, const AttentionBlock& block) const noexcept;
  [[nodiscard]] Desk desk_of(ScratchCutter& cutter) const noexcept;
  [[nodiscard]] uint64_t scratch_bytes() const noexcept;
};

Desk Work::desk_of(ScratchCutter& cutter) const noexcept {
  const uint64_t rows = tasks.block_rows;
  Desk desk{};
  desk.key_codes = cutter.take<int8_t>(filled.keys * filled.inputs);
  desk.keys = cutter.take<int8_t>(filled.keys * filled.inputs);
  desk.key_scales = cutter.take<float>(filled.keys);
  desk.value_codes = cutter.take<int8_t>(filled.keys * filled.columns);
  desk.values = cutter.take<int16_t>(filled.keys * filled.columns);
  desk.value_scales = cutter.take<float>(filled.keys);
  desk.queries = cutter.take<int8_t>(rows * filled.inputs);
  desk.query_factors = cutter.take<float>(rows);
  desk.scores = cutter.take<float>(rows * score_stride(call));
  desk.factors = cutter.take<float>(rows);
  desk.spans = cutter.take<KeySpan>(rows);
  return desk;
}

uint64_t Work::scratch_bytes() const noexcept {
  ScratchCutter cutter{{}};
  static_cast<void>(desk_of(cutter));
  return cutter.taken();
}

/// Words of four inputs take the place of a panel's numbers: a panel is their transpose.
void Work::code_keys(const Desk& desk, const float* keys) const noexcept {
  kernels.code_heads_s8({.x = keys,
                         .stride = call.key_steps.row,
                         .n_rows = call.n_keys,
                         .n_inputs = call.n_inputs,
                         .codes = desk.key_codes,
                         .code_stride = filled.inputs,
                         .flip = 0,
                         .scales = desk.key_scales});
  std::fill(desk.key_scales + call.n_keys, desk.key_scales + filled.keys, 0.0f);
  const uint64_t n_steps = filled.inputs / kCodedStep;
  pack_outputs(kernels, reinterpret_cast<const float*>(desk.key_codes), n_steps, call.n_keys,
               n_steps, reinterpret_cast<float*>(desk.keys));
}

/// A value that is not finite makes its key's scores NaN.
void Work::code_values(const Desk& desk, const float* values) const noexcept {
  if (filled.columns != call.n_columns) {
    std::memset(desk.value_codes, 0, filled.keys * filled.columns);
  }
  kernels.code_heads_s8({.x = values,
                         .stride = call.value_steps.row,
                         .n_rows = call.n_keys,
                         .n_inputs = call.n_columns,
                         .codes = desk.value_codes,
                         .code_stride = filled.columns,
                         .flip = 0,
                         .scales = desk.value_scales});
  std::fill(desk.value_scales + call.n_keys, desk.value_scales + filled.keys, 0.0f);
  for (uint64_t key = 0; key < call.n_keys; ++key) {
    if (!std::isnan(desk.value_scales[key])) continue;
    desk.value_scales[key] = 0.0f;
    desk.key_scales[key] = std::numeric_limits<float>::quiet_NaN();
  }
  kernels.pair_values_s16({.codes = desk.value_codes,
                           .code_stride = filled.columns,
                           .n_keys = call.n_keys,
                           .n_columns = call.n_columns,
                           .panels = desk.values});
}

void Work::attend(unsigned slot, uint64_t index) const noexcept {
  const DefaultFloatMode mode;
  const AttentionShare share = tasks.share_of(call, index);
  ScratchCutter cutter{scratch.arena(slot)};
  const Desk desk = desk_of(cutter);
  code_keys(desk, keys_of(call, share));
  code_values(desk, values_of(call, share));
  for (uint64_t block = share.first_block; block < share.last_block; ++block) {
    attend_block(desk, block_of(call, tasks, share, block));
  }
}

void Work::attend_block(const Desk& desk, const AttentionBlock& block) const noexcept {
  if (block.sees_nothing()) return clear_rows(call, block);
  kernels::AttentionWeights rows = weights_of(call, block, desk.scores, desk.spans);
  rows.soft_cap = call.soft_cap * kernels::kBaseTwo;
  kernels.code_heads_s8({.x = block.queries(call),
                         .stride = call.query_steps.row,
                         .n_rows = block.n_rows,
                         .n_inputs = call.n_inputs,
                         .codes = desk.queries,
                         .code_stride = filled.inputs,
                         .flip = 128,
                         .scales = desk.query_factors});
  const float scale = call.scale * kernels::kBaseTwo;
  for (uint64_t row = 0; row < block.n_rows; ++row) desk.query_factors[row] *= scale;
  const uint64_t begin = block.begin;
  kernels.attention_scores_s8({.queries = reinterpret_cast<const uint8_t*>(desk.queries),
                               .query_stride = filled.inputs,
                               .query_factors = desk.query_factors,
                               .n_rows = block.n_rows,
                               .keys = desk.keys + begin * filled.inputs,
                               .key_scales = desk.key_scales + begin,
                               .n_steps = filled.inputs / kCodedStep,
                               .n_panels = pieces_of(block.n_keys(), kCodedPanel),
                               .scores = desk.scores,
                               .stride = rows.stride});
  kernels.attention_codes_f32(
      {.rows = rows, .value_scales = desk.value_scales + begin, .factors = desk.factors});
  kernels.attention_values_s16({.weights = reinterpret_cast<const int16_t*>(desk.scores),
                                .weight_stride = 2 * rows.stride,
                                .values = desk.values + begin * kCodedPanel,
                                .panel_stride = padded_to(call.n_keys, 2) * kCodedPanel,
                                .first_key = begin,
                                .n_keys = block.n_keys(),
                                .factors = desk.factors,
                                .out = block.out(call),
                                .out_stride = call.out_steps.row,
                                .n_rows = block.n_rows,
                                .n_columns = call.n_columns});
}

/// Microseconds that one thread needs, roughly.
double estimate(const AttentionCall& call) noexcept {
  const auto heads = static_cast<double>(call.n_batch * call.n_heads);
  const auto kv_heads = static_cast<double>(call.n_batch * call.n_kv_heads);
  const auto queries = static_cast<double>(call.n_queries);
  const auto keys = static_cast<double>(call.n_keys);
  const auto inputs = static_cast<double>(call.n_inputs);
  const double width = inputs + static_cast<double>(call.n_columns);
  const double scores = heads * queries * keys;
  return scores * (width / kProductsPerMicrosecond + 1.0 / kWeightsPerMicrosecond) +
         (heads * queries * inputs + kv_heads * keys * width) / kCodesPerMicrosecond;
}

}  // namespace

Status run_coded_attention(Context& scratch, const AttentionCall& call,
                           const ArrayKernels& kernels) noexcept {
  Work work{.call = call,
            .kernels = kernels,
            .scratch = scratch,
            .tasks = AttentionTasks(call, estimate(call)),
            .filled = Filled(call)};
  const unsigned threads = work.tasks.threads;
  CORDWOOD_RETURN_IF_FAILED(scratch.reserve(threads, work.scratch_bytes()));
  const uint64_t n_tasks = call.n_batch * call.n_kv_heads * work.tasks.pieces;
  return run_tasks(threads, n_tasks, &work, Work::attend);
}

}  // namespace cordwood::runtime
