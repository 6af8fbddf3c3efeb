// Attention over batches and heads: panels of keys and values in scratch, blocks of queries, threads.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// Where the matrices of an array stand, in its entries (floats, or bytes of flags).
struct HeadSteps {
  uint64_t batch;
  uint64_t head;
  uint64_t row;
};

struct AttentionCall {
  const float* queries;  ///< [batch][head][query][input]
  const float* keys;     ///< [batch][kv_head][key][input]
  const float* values;   ///< [batch][kv_head][key][column]
  const void* mask;      ///< [batch][head][query][key]; steps of 0 repeat it
  float* out;            ///< [batch][head][query][column]
  HeadSteps query_steps;
  HeadSteps key_steps;
  HeadSteps value_steps;
  HeadSteps mask_steps;
  HeadSteps out_steps;
  uint64_t n_batch;
  uint64_t n_heads;     ///< a multiple of n_kv_heads
  uint64_t n_kv_heads;  ///< above 0
  uint64_t n_queries;
  uint64_t n_keys;
  uint64_t n_inputs;   ///< of a query and a key
  uint64_t n_columns;  ///< of a value
  kernels::AttentionMask mask_kind;
  float scale;
  float soft_cap;   ///< 0 for none
  uint64_t window;  ///< 0 for none
  bool causal;
  bool coded;        ///< products in integers
  unsigned threads;  ///< most that may work
};

/// Fails only where memory could not be had. Once warm, it allocates nothing.
Status run_attention(Context& scratch, const AttentionCall& call,
                     const ArrayKernels& kernels) noexcept;

/// The part of run_attention for products in integers; sizes are above 0.
Status run_coded_attention(Context& scratch, const AttentionCall& call,
                           const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
