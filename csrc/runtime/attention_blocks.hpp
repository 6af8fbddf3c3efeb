// Blocks of queries of an attention: how many rows, and which keys they see.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/activation_panels.hpp"
#include "runtime/attention_run.hpp"
#include "runtime/coded_rows.hpp"

namespace cordwood::runtime {

/// Rows of a block: whole tiles of qmatmul_f32. As many as keep their scores in the second cache
/// level beside the panels, but enough that a panel is not fetched for one tile alone.
inline constexpr uint64_t kTileRows = 12;
inline constexpr uint64_t kMostRows = 4 * kTileRows;
inline constexpr uint64_t kScoreBytes = uint64_t{256} << 10;
/// Where rows see different keys, a high block computes much that is not seen.
inline constexpr uint64_t kMostCutRows = 2 * kTileRows;

constexpr uint64_t pieces_of(uint64_t whole, uint64_t piece) noexcept {
  return (whole + piece - 1) / piece;
}

constexpr uint64_t padded_to(uint64_t count, uint64_t step) noexcept {
  return pieces_of(count, step) * step;
}

/// Floats from row to row of scores: a line more than they need, so that rows of 4 KiB do not meet in
/// one set of the first cache level.
constexpr uint64_t score_stride(const AttentionCall& call) noexcept {
  return padded_to(call.n_keys, kernels::kPackColumns) + kernels::kSumLanes;
}

inline uint64_t rows_of_block(const AttentionCall& call) noexcept {
  const uint64_t most = call.causal || call.window != 0 ? kMostCutRows : kMostRows;
  const uint64_t fit = kScoreBytes / (score_stride(call) * sizeof(float));
  return std::min(std::clamp(fit / kTileRows * kTileRows, kTileRows, most), call.n_queries);
}

/// The keys of a query: with its own place p = query + n_keys - n_queries, causal ones are at most p,
/// those in the window less than `window` away from p.
inline kernels::KeySpan span_of(const AttentionCall& call, uint64_t query) noexcept {
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

/// Tasks for each thread, so that none waits long for the last one.
inline constexpr uint64_t kTasksPerThread = 4;

/// What a task does: blocks of the heads that share one pair of keys and values.
struct AttentionShare {
  uint64_t batch;
  uint64_t kv_head;
  uint64_t first_block;
  uint64_t last_block;
};

inline const float* keys_of(const AttentionCall& call, const AttentionShare& share) noexcept {
  return call.keys + share.batch * call.key_steps.batch + share.kv_head * call.key_steps.head;
}

inline const float* values_of(const AttentionCall& call, const AttentionShare& share) noexcept {
  return call.values + share.batch * call.value_steps.batch + share.kv_head * call.value_steps.head;
}

/// How the blocks of a call are shared out.
struct AttentionTasks {
  unsigned threads;
  uint64_t block_rows;
  uint64_t n_blocks;  ///< of all heads that share keys and values
  uint64_t pieces;    ///< tasks that share those

  AttentionTasks(const AttentionCall& call, double microseconds) noexcept
      : threads(product_threads(microseconds, call.threads)),
        block_rows(rows_of_block(call)),
        n_blocks(call.n_heads / call.n_kv_heads * pieces_of(call.n_queries, block_rows)) {
    const uint64_t pairs = call.n_batch * call.n_kv_heads;
    const uint64_t wanted = threads == 1 ? 1 : pieces_of(threads * kTasksPerThread, pairs);
    pieces = std::min(wanted, n_blocks);
  }

  [[nodiscard]] AttentionShare share_of(const AttentionCall& call, uint64_t index) const noexcept {
    const uint64_t piece = index % pieces;
    return {.batch = index / pieces / call.n_kv_heads,
            .kv_head = index / pieces % call.n_kv_heads,
            .first_block = n_blocks * piece / pieces,
            .last_block = n_blocks * (piece + 1) / pieces};
  }
};

/// A block of queries of one head, and the keys that any of them sees.
struct AttentionBlock {
  uint64_t batch;
  uint64_t head;
  uint64_t first_row;
  uint64_t n_rows;
  uint64_t begin;  ///< a whole panel of keys; the first that is seen
  uint64_t end;

  [[nodiscard]] bool sees_nothing() const noexcept { return end <= begin; }
  [[nodiscard]] uint64_t n_keys() const noexcept { return end - begin; }

  [[nodiscard]] const float* queries(const AttentionCall& call) const noexcept {
    return call.queries + batch * call.query_steps.batch + head * call.query_steps.head +
           first_row * call.query_steps.row;
  }
  [[nodiscard]] float* out(const AttentionCall& call) const noexcept {
    return call.out + batch * call.out_steps.batch + head * call.out_steps.head +
           first_row * call.out_steps.row;
  }
};

/// Spans only move up: the first row has the first key, the last row the last one.
inline AttentionBlock block_of(const AttentionCall& call, const AttentionTasks& tasks,
                               const AttentionShare& share, uint64_t index) noexcept {
  const uint64_t group = call.n_heads / call.n_kv_heads;
  const uint64_t head_blocks = tasks.n_blocks / group;
  const uint64_t first_row = index % head_blocks * tasks.block_rows;
  const uint64_t n_rows = std::min(tasks.block_rows, call.n_queries - first_row);
  return {.batch = share.batch,
          .head = share.kv_head * group + index / head_blocks,
          .first_row = first_row,
          .n_rows = n_rows,
          .begin = span_of(call, first_row).first / kernels::kPackColumns * kernels::kPackColumns,
          .end = span_of(call, first_row + n_rows - 1).last};
}

/// Answers of rows that see no key.
inline void clear_rows(const AttentionCall& call, const AttentionBlock& block) noexcept {
  float* out = block.out(call);
  for (uint64_t row = 0; row < block.n_rows; ++row) {
    std::fill_n(out + row * call.out_steps.row, call.n_columns, 0.0f);
  }
}

/// What becomes of a block's scores, keys counted from its first; fills `spans`.
inline kernels::AttentionWeights weights_of(const AttentionCall& call, const AttentionBlock& block,
                                            float* scores, kernels::KeySpan* spans) noexcept {
  const uint64_t begin = block.begin;
  for (uint64_t row = 0; row < block.n_rows; ++row) {
    const kernels::KeySpan span = span_of(call, block.first_row + row);
    // A row that sees nothing may have its empty span before `begin`.
    spans[row] = {std::max(span.first, begin) - begin, std::max(span.last, begin) - begin};
  }
  const uint64_t mask_at = block.batch * call.mask_steps.batch + block.head * call.mask_steps.head +
                           block.first_row * call.mask_steps.row + begin;
  const uint64_t entry = call.mask_kind == kernels::AttentionMask::numbers ? sizeof(float) : 1;
  return {.scores = scores,
          .stride = score_stride(call),
          .n_rows = block.n_rows,
          .width = padded_to(block.n_keys(), kernels::kSumLanes),
          .spans = spans,
          .scale = call.scale,
          .soft_cap = call.soft_cap,
          .mask_kind = call.mask_kind,
          .mask = call.mask == nullptr ? nullptr
                                       : static_cast<const std::byte*>(call.mask) + mask_at * entry,
          .mask_stride = call.mask_steps.row,
          .mask_width = call.n_keys - begin,
          .marks = 0,
          .divisors = nullptr};
}

}  // namespace cordwood::runtime
