// The door, inner part: attributes and tensors of the operators of nets. What depends on the shapes that
// a caller brings is inferred, and judged, when a run is planned.
#include <algorithm>
#include <cmath>
#include <limits>

#include "format/validate_nets.hpp"

namespace cordwood::format {
namespace {

/// Bounds each attribute of a window, so that sums and products of them stay far below 2^63.
constexpr uint32_t kMaxWindow = 1u << 24;

bool window_fits(const uint32_t* sizes, uint32_t axes, uint32_t least) noexcept {
  for (uint32_t axis = 0; axis < CORDWOOD_MAX_SPACE; ++axis) {
    const bool good =
        axis < axes ? sizes[axis] >= least && sizes[axis] <= kMaxWindow : sizes[axis] == 0;
    if (!good) return false;
  }
  return true;
}

Status check_product(const Judge& judge, const cordwood_linear_attributes& product) noexcept {
  const bool integers =
      product.rows != CORDWOOD_ROWS_FLOAT32 && product.rows != CORDWOOD_ROWS_BFLOAT16;
  const bool fixed =
      product.rows == CORDWOOD_ROWS_INT8_STATIC || product.rows == CORDWOOD_ROWS_UINT8_STATIC;
  CORDWOOD_RETURN_IF_FAILED(judge.need(
      product.rows < CORDWOOD_ROWS_COUNT && product.reserved[0] == 0 && product.reserved[1] == 0,
      "operator {}: expected a listed coding of rows"));
  CORDWOOD_RETURN_IF_FAILED(
      judge.need(product.activation == CORDWOOD_ACTIVATION_NONE ||
                     (product.activation < CORDWOOD_ACTIVATION_COUNT &&
                      product.activation != CORDWOOD_ACTIVATION_PRELU),
                 "operator {}: expected no activation, or a listed one other than prelu"));
  CORDWOOD_RETURN_IF_FAILED(judge.need(std::isfinite(product.alpha) && std::isfinite(product.beta),
                                       "operator {}: expected finite alpha and beta"));
  const bool scaled =
      fixed ? product.row_scale > 0 && std::isfinite(product.row_scale) : product.row_scale == 0;
  const bool centred = product.rows == CORDWOOD_ROWS_UINT8_STATIC
                           ? product.row_zero >= 0 && product.row_zero <= 255
                           : product.row_zero == 0;
  CORDWOOD_RETURN_IF_FAILED(judge.need(scaled && centred && (!fixed || product.row_group == 0),
                                       "operator {}: expected a positive scale and a zero point "
                                       "from 0 to 255 where rows have static codes, else none"));
  return judge.need(!integers || judge.tensor(0).quant_axis == 1,
                    "operator {}: expected quantised weights where rows are coded");
}

Status check_linear(const Judge& judge) noexcept {
  CORDWOOD_RETURN_IF_FAILED(
      judge.need_tensor(judge.is_weight(0) && judge.tensor(0).rank == 2 &&
                            judge.is_vector_or_absent(1, judge.tensor(0).dimension[0]),
                        "operator {}: expected weights of (outputs, inputs) and a float32 bias of "
                        "(outputs) or none"));
  return check_product(judge, judge.attributes<cordwood_linear_attributes>());
}

Status check_conv(const Judge& judge) noexcept {
  const auto conv = judge.attributes<cordwood_conv_attributes>();
  const uint32_t axes = conv.axes;
  CORDWOOD_RETURN_IF_FAILED(judge.need(
      axes >= 1 && axes <= CORDWOOD_MAX_SPACE && conv.groups >= 1 && conv.transposed <= 1 &&
          window_fits(conv.stride, axes, 1) && window_fits(conv.dilation, axes, 1) &&
          window_fits(conv.pad_before, axes, 0) && window_fits(conv.pad_after, axes, 0) &&
          window_fits(conv.output_padding, axes, 0),
      "operator {}: expected one to three space axes, strides and dilations of 1 or more, zero in "
      "what is unused"));
  for (uint32_t axis = 0; axis < axes; ++axis) {
    CORDWOOD_RETURN_IF_FAILED(judge.need(
        conv.output_padding[axis] == 0 ||
            (conv.transposed == 1 &&
             conv.output_padding[axis] < std::max(conv.stride[axis], conv.dilation[axis])),
        "operator {}: expected output padding below the stride, of transposed convolutions alone"));
  }
  CORDWOOD_RETURN_IF_FAILED(
      judge.need_tensor(judge.is_weight(0) && judge.tensor(0).rank == axes + 2,
                        "operator {}: expected weights of (outputs, inputs / groups, kernel...)"));
  const cordwood_tensor weight = judge.tensor(0);
  for (uint32_t axis = 0; axis < axes; ++axis) {
    CORDWOOD_RETURN_IF_FAILED(judge.need_tensor(weight.dimension[axis + 2] <= kMaxWindow,
                                                "operator {}: expected kernels of up to 2^24"));
  }
  const uint64_t outputs =
      conv.transposed == 1 ? weight.dimension[1] * conv.groups : weight.dimension[0];
  CORDWOOD_RETURN_IF_FAILED(judge.need_tensor(
      weight.dimension[0] % conv.groups == 0 && judge.is_vector_or_absent(1, outputs),
      "operator {}: expected whole groups of channels and a float32 bias of (outputs) or none"));
  return check_product(judge, conv.product);
}

Status check_pool(const Judge& judge) noexcept {
  const auto pool = judge.attributes<cordwood_pool_attributes>();
  const uint32_t axes = pool.axes;
  CORDWOOD_RETURN_IF_FAILED(
      judge.need(pool.kind <= CORDWOOD_POOL_AVERAGE && axes >= 1 && axes <= CORDWOOD_MAX_SPACE &&
                     pool.ceil_mode <= 1 && pool.count_padding <= 1 && pool.reserved == 0 &&
                     window_fits(pool.kernel, axes, 1) && window_fits(pool.stride, axes, 1) &&
                     window_fits(pool.dilation, axes, 1) && window_fits(pool.pad_before, axes, 0) &&
                     window_fits(pool.pad_after, axes, 0),
                 "operator {}: expected a listed kind, one to three space axes, kernels of 1 or "
                 "more, zero in what is unused"));
  for (uint32_t axis = 0; axis < axes; ++axis) {
    CORDWOOD_RETURN_IF_FAILED(judge.need(
        pool.pad_before[axis] < pool.kernel[axis] && pool.pad_after[axis] < pool.kernel[axis],
        "operator {}: expected padding below the kernel"));
  }
  return {};
}

Status check_norm(const Judge& judge, bool two, float epsilon) noexcept {
  CORDWOOD_RETURN_IF_FAILED(judge.need(epsilon >= 0 && std::isfinite(epsilon),
                                       "operator {}: expected a finite epsilon of 0 or more"));
  for (uint32_t operand = 0; operand < (two ? 2u : 1u); ++operand) {
    if (!judge.has(operand)) continue;
    const cordwood_tensor given = judge.tensor(operand);
    CORDWOOD_RETURN_IF_FAILED(judge.need_tensor(
        given.dtype == CORDWOOD_DTYPE_FLOAT32 && given.rank >= 1 && element_count(given) != 0,
        "operator {}: expected float32 weights and biases, or none"));
  }
  return {};
}

Status check_norms(const Judge& judge) noexcept {
  switch (judge.op.opcode) {
    case CORDWOOD_OP_LAYER_NORM: {
      const auto norm = judge.attributes<cordwood_layer_norm_attributes>();
      CORDWOOD_RETURN_IF_FAILED(judge.need(norm.axes >= 1 && norm.axes <= CORDWOOD_MAX_RANK,
                                           "operator {}: expected one to six axes"));
      return check_norm(judge, true, norm.epsilon);
    }
    case CORDWOOD_OP_RMS_NORM: {
      const auto norm = judge.attributes<cordwood_rms_norm_attributes>();
      CORDWOOD_RETURN_IF_FAILED(judge.need(norm.weight_offset == 0 || norm.weight_offset == 1,
                                           "operator {}: expected an offset of 0 or 1"));
      return check_norm(judge, false, norm.epsilon);
    }
    case CORDWOOD_OP_GROUP_NORM: {
      const auto norm = judge.attributes<cordwood_group_norm_attributes>();
      CORDWOOD_RETURN_IF_FAILED(
          judge.need(norm.groups >= 1, "operator {}: expected one group or more"));
      return check_norm(judge, true, norm.epsilon);
    }
    default:  // CORDWOOD_OP_BATCH_NORM
      CORDWOOD_RETURN_IF_FAILED(
          judge.need_tensor(judge.has(0) && judge.has(1) && judge.tensor(0).rank == 1 &&
                                judge.is_vector(0, judge.tensor(0).dimension[0]) &&
                                judge.is_vector(1, judge.tensor(0).dimension[0]),
                            "operator {}: expected a float32 factor and an offset by channel"));
      return {};
  }
}

Status check_activation(const Judge& judge) noexcept {
  const auto activation = judge.attributes<cordwood_activation_attributes>();
  const bool sloped = activation.kind == CORDWOOD_ACTIVATION_PRELU;
  CORDWOOD_RETURN_IF_FAILED(
      judge.need(activation.kind < CORDWOOD_ACTIVATION_COUNT && std::isfinite(activation.alpha) &&
                     std::isfinite(activation.beta) && activation.reserved == 0,
                 "operator {}: expected a listed kind, finite alpha and beta"));
  return judge.need_tensor(
      judge.has(0) == sloped && (!sloped || (judge.tensor(0).rank == 1 &&
                                             judge.is_vector(0, judge.tensor(0).dimension[0]))),
      "operator {}: expected a float32 slope by channel for prelu, and none for others");
}

Status check_attention(const Judge& judge) noexcept {
  const auto attention = judge.attributes<cordwood_attention_attributes>();
  const bool flags = std::all_of(std::begin(attention.heads_last), std::end(attention.heads_last),
                                 [](uint8_t flag) { return flag <= 1; });
  return judge.need(
      std::isfinite(attention.scale) && attention.soft_cap >= 0 &&
          std::isfinite(attention.soft_cap) && attention.causal <= 1 && flags &&
          attention.rows <= CORDWOOD_ROWS_INT8_DYNAMIC && attention.reserved[0] == 0 &&
          attention.reserved[1] == 0 && attention.reserved[2] == 0,
      "operator {}: expected a finite scale, a soft cap of 0 or more, flags of 0 or 1, rows of "
      "float32 or int8 dynamic");
}

Status check_embedding(const Judge& judge) noexcept {
  const auto embedding = judge.attributes<cordwood_embedding_attributes>();
  CORDWOOD_RETURN_IF_FAILED(
      judge.need(embedding.combine <= CORDWOOD_COMBINE_MAX && embedding.reserved == 0,
                 "operator {}: expected a listed combination"));
  return judge.need_tensor(judge.is_weight(0) && judge.tensor(0).rank == 2,
                           "operator {}: expected a table of (entries, columns)");
}

/// h and c of an lstm stand together: two inputs are none that it takes.
Status check_recurrence(const Judge& judge, uint32_t gates, uint32_t tensors) noexcept {
  const auto recurrence = judge.attributes<cordwood_recurrence_attributes>();
  const uint32_t runs = recurrence.direction == CORDWOOD_DIRECTION_BOTH ? 2 : 1;
  CORDWOOD_RETURN_IF_FAILED(judge.need(
      recurrence.direction <= CORDWOOD_DIRECTION_BOTH && recurrence.reserved == 0 &&
          judge.op.tensor_count == runs * tensors && (gates != 4 || judge.op.input_count != 2),
      "operator {}: expected a listed direction, a run of tensors for each, h and c both or "
      "neither"));
  CORDWOOD_RETURN_IF_FAILED(judge.need(recurrence.product.activation == CORDWOOD_ACTIVATION_NONE,
                                       "operator {}: expected no activation of its own"));
  for (uint32_t run = 0; run < runs; ++run) {
    const uint32_t first = run * tensors;
    CORDWOOD_RETURN_IF_FAILED(
        judge.need_tensor(judge.is_weight(first) && judge.is_weight(first + 1) &&
                              judge.tensor(first).rank == 2 && judge.tensor(first + 1).rank == 2,
                          "operator {}: expected weights of (gates * hidden, inputs) and of (gates "
                          "* hidden, hidden)"));
    const uint64_t hidden = judge.tensor(first + 1).dimension[1];
    const bool same = judge.tensor(0).dimension[1] == judge.tensor(first).dimension[1] &&
                      judge.tensor(1).dimension[1] == hidden;
    CORDWOOD_RETURN_IF_FAILED(judge.need_tensor(
        same && judge.tensor(first).dimension[0] == gates * hidden &&
            judge.tensor(first + 1).dimension[0] == gates * hidden &&
            judge.is_vector_or_absent(first + 2, gates * hidden) &&
            (tensors == 3 || judge.is_vector_or_absent(first + 3, gates * hidden)),
        "operator {}: expected weights and biases of gates * hidden outputs, alike in both "
        "directions"));
  }
  return check_product(judge, recurrence.product);
}

}  // namespace

Status check_net_operator(const FileView& file, const cordwood_operator& op,
                          uint32_t index) noexcept {
  const Judge judge{file, op, index};
  CORDWOOD_RETURN_IF_FAILED(check_codings(judge));
  switch (op.opcode) {
    case CORDWOOD_OP_LINEAR:
      return check_linear(judge);
    case CORDWOOD_OP_CONV:
      return check_conv(judge);
    case CORDWOOD_OP_POOL:
      return check_pool(judge);
    case CORDWOOD_OP_BATCH_NORM:
    case CORDWOOD_OP_LAYER_NORM:
    case CORDWOOD_OP_RMS_NORM:
    case CORDWOOD_OP_GROUP_NORM:
      return check_norms(judge);
    case CORDWOOD_OP_ACTIVATION:
      return check_activation(judge);
    case CORDWOOD_OP_SOFTMAX: {
      const auto softmax = judge.attributes<cordwood_softmax_attributes>();
      CORDWOOD_RETURN_IF_FAILED(
          judge.need(softmax.log <= 1, "operator {}: expected a flag of 0 or 1"));
      return check_axis(judge, softmax.axis);
    }
    case CORDWOOD_OP_MATMUL: {
      const auto matmul = judge.attributes<cordwood_matmul_attributes>();
      return judge.need(matmul.transpose_a <= 1 && matmul.transpose_b <= 1,
                        "operator {}: expected flags of 0 or 1");
    }
    case CORDWOOD_OP_ATTENTION:
      return check_attention(judge);
    case CORDWOOD_OP_EMBEDDING:
      return check_embedding(judge);
    case CORDWOOD_OP_LSTM:
      return check_recurrence(judge, 4, 3);
    case CORDWOOD_OP_GRU:
      return check_recurrence(judge, 3, 4);
    default:
      return check_array_operator(judge);
  }
}

}  // namespace cordwood::format
