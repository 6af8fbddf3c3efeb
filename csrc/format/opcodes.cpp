// The list of opcodes that this build knows: their names and how many operands and bytes each has.
#include <array>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr uint32_t kAny = 255;  ///< inputs of concat, or that lend their shapes

struct Entry {
  uint16_t opcode;
  const char* name;
  Signature signature;
};

constexpr uint32_t kTrees = CORDWOOD_TREE_TENSOR_COUNT;
constexpr uint32_t kKind = sizeof(cordwood_kind_attributes);

// Inputs, outputs and tensors, each from and to; bytes of attributes.
constexpr std::array kEntries = {
    Entry{CORDWOOD_OP_TREE_ENSEMBLE,
          "tree_ensemble",
          {1, 2, 1, 1, kTrees, kTrees, sizeof(cordwood_tree_attributes)}},
    Entry{CORDWOOD_OP_LINK, "link", {1, 1, 1, 1, 0, 0, sizeof(cordwood_link_attributes)}},
    Entry{CORDWOOD_OP_DECIDE, "decide", {1, 1, 1, 1, 0, 1, sizeof(cordwood_decide_attributes)}},
    Entry{CORDWOOD_OP_CAST, "cast", {1, 1, 1, 1, 0, 0, 0}},
    Entry{CORDWOOD_OP_CONCAT, "concat", {1, kAny, 1, 1, 0, 0, sizeof(cordwood_concat_attributes)}},
    Entry{CORDWOOD_OP_LINEAR, "linear", {1, 2, 1, 1, 2, 2, sizeof(cordwood_linear_attributes)}},
    Entry{CORDWOOD_OP_MATMUL, "matmul", {2, 2, 1, 1, 0, 0, sizeof(cordwood_matmul_attributes)}},
    Entry{CORDWOOD_OP_CONV, "conv", {1, 2, 1, 1, 2, 2, sizeof(cordwood_conv_attributes)}},
    Entry{CORDWOOD_OP_POOL, "pool", {1, 1, 1, 1, 0, 0, sizeof(cordwood_pool_attributes)}},
    Entry{CORDWOOD_OP_BATCH_NORM, "batch_norm", {1, 1, 1, 1, 2, 2, 0}},
    Entry{CORDWOOD_OP_LAYER_NORM,
          "layer_norm",
          {1, 1, 1, 1, 2, 2, sizeof(cordwood_layer_norm_attributes)}},
    Entry{
        CORDWOOD_OP_RMS_NORM, "rms_norm", {1, 1, 1, 1, 1, 1, sizeof(cordwood_rms_norm_attributes)}},
    Entry{CORDWOOD_OP_GROUP_NORM,
          "group_norm",
          {1, 1, 1, 1, 2, 2, sizeof(cordwood_group_norm_attributes)}},
    Entry{CORDWOOD_OP_ACTIVATION,
          "activation",
          {1, 1, 1, 1, 1, 1, sizeof(cordwood_activation_attributes)}},
    Entry{CORDWOOD_OP_SOFTMAX, "softmax", {1, 1, 1, 1, 0, 0, sizeof(cordwood_softmax_attributes)}},
    Entry{CORDWOOD_OP_ATTENTION,
          "attention",
          {3, 4, 1, 1, 0, 0, sizeof(cordwood_attention_attributes)}},
    Entry{CORDWOOD_OP_EMBEDDING,
          "embedding",
          {1, 1, 1, 1, 1, 1, sizeof(cordwood_embedding_attributes)}},
    Entry{CORDWOOD_OP_LSTM, "lstm", {1, 3, 3, 3, 3, 6, sizeof(cordwood_recurrence_attributes)}},
    Entry{CORDWOOD_OP_GRU, "gru", {1, 2, 2, 2, 4, 8, sizeof(cordwood_recurrence_attributes)}},
    Entry{CORDWOOD_OP_UNARY, "unary", {1, 1, 1, 1, 0, 0, kKind}},
    Entry{CORDWOOD_OP_BINARY, "binary", {2, 2, 1, 1, 0, 0, kKind}},
    Entry{CORDWOOD_OP_COMPARE, "compare", {2, 2, 1, 1, 0, 0, kKind}},
    Entry{CORDWOOD_OP_WHERE, "where", {3, 3, 1, 1, 0, 0, 0}},
    Entry{CORDWOOD_OP_REDUCE, "reduce", {1, 1, 1, 1, 0, 0, sizeof(cordwood_reduce_attributes)}},
    Entry{CORDWOOD_OP_ARG_REDUCE,
          "arg_reduce",
          {1, 1, 1, 1, 0, 0, sizeof(cordwood_arg_reduce_attributes)}},
    Entry{CORDWOOD_OP_CONSTANT, "constant", {0, 0, 1, 1, 1, 1, 0}},
    Entry{CORDWOOD_OP_RESHAPE, "reshape", {1, kAny, 1, 1, 0, 0, sizeof(cordwood_shape_attributes)}},
    Entry{CORDWOOD_OP_TRANSPOSE,
          "transpose",
          {1, 1, 1, 1, 0, 0, sizeof(cordwood_transpose_attributes)}},
    Entry{CORDWOOD_OP_SLICE, "slice", {1, kAny, 1, 1, 0, 0, sizeof(cordwood_slice_attributes)}},
    Entry{CORDWOOD_OP_PAD, "pad", {1, 1, 1, 1, 0, 0, sizeof(cordwood_pad_attributes)}},
    Entry{CORDWOOD_OP_EXPAND, "expand", {1, kAny, 1, 1, 0, 0, sizeof(cordwood_shape_attributes)}},
    Entry{CORDWOOD_OP_RESIZE, "resize", {1, 1, 1, 1, 0, 0, sizeof(cordwood_resize_attributes)}},
    Entry{CORDWOOD_OP_GATHER, "gather", {2, 2, 1, 1, 0, 0, sizeof(cordwood_gather_attributes)}}};

const Entry* find(uint16_t opcode) noexcept {
  for (const Entry& entry : kEntries) {
    if (entry.opcode == opcode) return &entry;
  }
  return nullptr;
}

}  // namespace

bool signature_of(uint16_t opcode, Signature& signature) noexcept {
  const Entry* entry = find(opcode);
  if (entry != nullptr) signature = entry->signature;
  return entry != nullptr;
}

const char* opcode_name(uint16_t opcode) noexcept {
  const Entry* entry = find(opcode);
  return entry == nullptr ? "unknown" : entry->name;
}

bool is_net_opcode(uint16_t opcode) noexcept {
  return opcode >= CORDWOOD_OP_CAST;
}

bool reads_quantised(uint16_t opcode) noexcept {
  return opcode == CORDWOOD_OP_LINEAR || opcode == CORDWOOD_OP_CONV ||
         opcode == CORDWOOD_OP_EMBEDDING || opcode == CORDWOOD_OP_LSTM || opcode == CORDWOOD_OP_GRU;
}

bool reads_sparse(uint16_t opcode) noexcept {
  return opcode == CORDWOOD_OP_LINEAR;
}

}  // namespace cordwood::format
