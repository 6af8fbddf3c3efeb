// From an operator's record to its node.
#include "runtime/nets/node.hpp"

namespace cordwood::runtime {

Result<NodePointer> make_node(const Source& source) {
  switch (source.op.opcode) {
    case CORDWOOD_OP_LINEAR:
      return make_linear(source);
    case CORDWOOD_OP_EMBEDDING:
      return make_embedding(source);
    case CORDWOOD_OP_CONV:
    case CORDWOOD_OP_POOL:
      return make_image(source);
    case CORDWOOD_OP_LSTM:
    case CORDWOOD_OP_GRU:
      return make_recurrence(source);
    case CORDWOOD_OP_MATMUL:
      return make_matmul(source);
    case CORDWOOD_OP_ATTENTION:
      return make_attention(source);
    case CORDWOOD_OP_ACTIVATION:
    case CORDWOOD_OP_UNARY:
    case CORDWOOD_OP_SOFTMAX:
    case CORDWOOD_OP_LAYER_NORM:
    case CORDWOOD_OP_RMS_NORM:
    case CORDWOOD_OP_GROUP_NORM:
    case CORDWOOD_OP_BATCH_NORM:
      return make_float(source);
    case CORDWOOD_OP_BINARY:
    case CORDWOOD_OP_COMPARE:
    case CORDWOOD_OP_WHERE:
    case CORDWOOD_OP_CAST:
      return make_elementwise(source);
    case CORDWOOD_OP_REDUCE:
    case CORDWOOD_OP_ARG_REDUCE:
      return make_reduction(source);
    case CORDWOOD_OP_CONSTANT:
    case CORDWOOD_OP_RESHAPE:
    case CORDWOOD_OP_EXPAND:
    case CORDWOOD_OP_TRANSPOSE:
    case CORDWOOD_OP_SLICE:
      return make_shaping(source);
    case CORDWOOD_OP_CONCAT:
    case CORDWOOD_OP_PAD:
      return make_joining(source);
    case CORDWOOD_OP_RESIZE:
      return make_resize(source);
    case CORDWOOD_OP_GATHER:
      return make_gather(source);
    default:
      return fail(CORDWOOD_STATUS_operator_unknown, source.name(),
                  "opcode {} is none that this build runs; use a newer cordwood", source.op.opcode);
  }
}

}  // namespace cordwood::runtime
