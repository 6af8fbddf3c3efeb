// activation, unary, softmax and norms: float32 in, float32 out, element by element or row by row.
#include <algorithm>
#include <cmath>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/float_tasks.hpp"
#include "runtime/nets/tensor_numbers.hpp"
#include "runtime/pool_run.hpp"

namespace cordwood::runtime {
namespace {

Status same_floats(const char* place, std::span<const ArrayForm> inputs,
                   std::span<ArrayForm> outputs) noexcept {
  if (inputs[0].dtype != CORDWOOD_DTYPE_FLOAT32 || outputs[0].dtype != CORDWOOD_DTYPE_FLOAT32) {
    return misfit(place, "types {} to {}, expected float32 to float32", inputs[0].dtype,
                  outputs[0].dtype);
  }
  outputs[0].shape = inputs[0].shape;
  return {};
}

class ActivationNode final : public Node {
 public:
  ActivationNode(const cordwood_activation_attributes& attributes,
                 AlignedVector<float> slopes) noexcept
      : attributes_(attributes), slopes_(std::move(slopes)) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& shape = inputs[0].shape;
    const uint64_t channels = shape.rank < 2 ? 1 : shape.size[1];
    if (slopes_.size() > 1 && slopes_.size() != channels) {
      return misfit("activation", "{} slopes for {} channels", slopes_.size(), channels);
    }
    return same_floats("activation", inputs, outputs);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& shape = call.inputs[0].shape();
    const float* x = call.inputs[0].as<const float>();
    float* out = call.outputs[0].as<float>();
    if (slopes_.size() < 2) {
      const float alpha = slopes_.empty() ? attributes_.alpha : slopes_[0];
      return each_stretch(call.threads, shape.elements(), [&](uint64_t first, uint64_t count) {
        activate(call.kernels, x + first, out + first, count, alpha);
      });
    }
    const uint64_t positions = shape.elements(2, shape.rank);
    for (uint64_t line = 0; line < shape.elements(0, 2); ++line) {
      activate(call.kernels, x + line * positions, out + line * positions, positions,
               slopes_[line % slopes_.size()]);
    }
    return {};
  }

  [[nodiscard]] bool row_wise() const noexcept override { return slopes_.size() < 2; }
  [[nodiscard]] Order order(uint32_t) const noexcept override {
    return slopes_.size() < 2 ? Order::alike : Order::declared;
  }
  [[nodiscard]] bool image_wise() const noexcept override { return true; }

 private:
  void activate(const ArrayKernels& kernels, const float* x, float* out, uint64_t count,
                float alpha) const noexcept {
    kernels.activate_f32({.x = x,
                          .out = out,
                          .slopes = nullptr,
                          .n = count,
                          .kind = attributes_.kind,
                          .alpha = alpha,
                          .beta = attributes_.beta});
  }

  cordwood_activation_attributes attributes_;
  AlignedVector<float> slopes_;
};

class UnaryNode final : public Node {
 public:
  explicit UnaryNode(uint32_t kind) noexcept : kind_(kind) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint8_t dtype = inputs[0].dtype;
    const bool truth = kind_ >= CORDWOOD_UNARY_NOT && kind_ <= CORDWOOD_UNARY_IS_INFINITE;
    const bool floats = dtype == CORDWOOD_DTYPE_FLOAT32;
    bool fits = floats;
    if (kind_ == CORDWOOD_UNARY_NOT) fits = dtype == CORDWOOD_DTYPE_BIT;
    if (!truth && is_integer(dtype)) fits = kind_ <= CORDWOOD_UNARY_ABSOLUTE;
    if (!fits || outputs[0].dtype != (truth ? uint8_t{CORDWOOD_DTYPE_BIT} : dtype)) {
      return misfit("unary", "kind {} of type {} to {}", kind_, dtype, outputs[0].dtype);
    }
    outputs[0].shape = inputs[0].shape;
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    const Array& out = call.outputs[0];
    const uint64_t count = x.shape().elements();
    if (kind_ == CORDWOOD_UNARY_NOT) {
      for (uint64_t i = 0; i < count; ++i) {
        out.as<uint8_t>()[i] = x.as<const uint8_t>()[i] == 0 ? 1 : 0;
      }
      return {};
    }
    if (kind_ == CORDWOOD_UNARY_IS_NAN || kind_ == CORDWOOD_UNARY_IS_INFINITE) {
      for (uint64_t i = 0; i < count; ++i) {
        const float value = x.as<const float>()[i];
        out.as<uint8_t>()[i] =
            (kind_ == CORDWOOD_UNARY_IS_NAN ? std::isnan(value) : std::isinf(value)) ? 1 : 0;
      }
      return {};
    }
    if (is_integer(x.form.dtype)) {
      with_type(x.form.dtype, [&]<class T>(T) {
        if constexpr (std::is_integral_v<T>) run_integers<T>(x, out, count);
      });
      return {};
    }
    return each_stretch(call.threads, count, [&](uint64_t first, uint64_t stretch) {
      call.kernels.unary_f32({.x = x.as<const float>() + first,
                              .out = out.as<float>() + first,
                              .n = stretch,
                              .kind = kind_});
    });
  }

 private:
  static bool is_integer(uint8_t dtype) noexcept {
    return dtype >= CORDWOOD_DTYPE_INT8 && dtype <= CORDWOOD_DTYPE_UINT64;
  }

  template <class T>
  void run_integers(const Array& x, const Array& out, uint64_t count) const noexcept {
    using Unsigned = std::make_unsigned_t<T>;
    for (uint64_t i = 0; i < count; ++i) {
      const T value = x.as<const T>()[i];
      const auto negated = static_cast<T>(Unsigned{0} - static_cast<Unsigned>(value));
      out.as<T>()[i] = kind_ == CORDWOOD_UNARY_NEGATIVE || value < T{0} ? negated : value;
    }
  }

  uint32_t kind_;
};

class SoftmaxNode final : public Node {
 public:
  explicit SoftmaxNode(const cordwood_softmax_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    return same_floats("softmax", inputs, outputs);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& shape = call.inputs[0].shape();
    const kernels::SoftmaxTask task{.x = call.inputs[0].as<const float>(),
                                    .out = call.outputs[0].as<float>(),
                                    .outer = shape.elements(0, attributes_.axis),
                                    .n = shape.size[attributes_.axis],
                                    .inner = shape.elements(attributes_.axis + 1, shape.rank)};
    if (shape.elements() == 0) return {};
    attributes_.log != 0 ? call.kernels.log_softmax_f32(task) : call.kernels.softmax_f32(task);
    return {};
  }

 private:
  cordwood_softmax_attributes attributes_;
};

/// layer_norm over the last axes, and rms_norm over the last.
class RowNormNode final : public Node {
 public:
  struct Attributes {
    uint32_t axes;
    float epsilon;
    float weight_offset;
    bool centred;
  };

  RowNormNode(const Attributes& attributes, AlignedVector<float> weight,
              AlignedVector<float> bias) noexcept
      : attributes_(attributes), weight_(std::move(weight)), bias_(std::move(bias)) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& shape = inputs[0].shape;
    const uint64_t n = attributes_.axes > shape.rank
                           ? 0
                           : shape.elements(shape.rank - attributes_.axes, shape.rank);
    if (n == 0 || (!weight_.empty() && weight_.size() != n) ||
        (!bias_.empty() && bias_.size() != n)) {
      return misfit("norm", "rows of {} elements, expected some, as many as weights: {}", n,
                    std::max(weight_.size(), bias_.size()));
    }
    return same_floats("norm", inputs, outputs);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& shape = call.inputs[0].shape();
    const uint64_t n = shape.elements(shape.rank - attributes_.axes, shape.rank);
    const float* x = call.inputs[0].as<const float>();
    float* out = call.outputs[0].as<float>();
    return each_row(call.threads, shape.elements() / n, n, [&](uint64_t first, uint64_t count) {
      const kernels::NormTask task{.x = x + first * n,
                                   .residual = nullptr,
                                   .sum = nullptr,
                                   .out = out + first * n,
                                   .weight = weight_.empty() ? nullptr : weight_.data(),
                                   .bias = bias_.empty() ? nullptr : bias_.data(),
                                   .n_rows = count,
                                   .n = n,
                                   .epsilon = attributes_.epsilon,
                                   .weight_offset = attributes_.weight_offset};
      attributes_.centred ? call.kernels.layer_norm_f32(task) : call.kernels.rms_norm_f32(task);
    });
  }

  [[nodiscard]] bool row_wise() const noexcept override { return attributes_.axes == 1; }

 private:
  Attributes attributes_;
  AlignedVector<float> weight_;
  AlignedVector<float> bias_;
};

class GroupNormNode final : public Node {
 public:
  GroupNormNode(const cordwood_group_norm_attributes& attributes, AlignedVector<float> weight,
                AlignedVector<float> bias) noexcept
      : attributes_(attributes), weight_(std::move(weight)), bias_(std::move(bias)) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& shape = inputs[0].shape;
    const uint64_t channels = shape.rank < 2 ? 0 : shape.size[1];
    if (channels == 0 || channels % attributes_.groups != 0 ||
        (!weight_.empty() && weight_.size() != channels) ||
        (!bias_.empty() && bias_.size() != channels)) {
      return misfit("group_norm", "{} channels in {} groups, expected whole ones", channels,
                    attributes_.groups);
    }
    return same_floats("group_norm", inputs, outputs);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& shape = call.inputs[0].shape();
    if (shape.elements() == 0) return {};
    call.kernels.group_norm_f32({.x = call.inputs[0].as<const float>(),
                                 .out = call.outputs[0].as<float>(),
                                 .weight = weight_.empty() ? nullptr : weight_.data(),
                                 .bias = bias_.empty() ? nullptr : bias_.data(),
                                 .n_images = shape.size[0],
                                 .groups = attributes_.groups,
                                 .channels = shape.size[1] / attributes_.groups,
                                 .positions = shape.elements(2, shape.rank),
                                 .epsilon = attributes_.epsilon});
    return {};
  }

 private:
  cordwood_group_norm_attributes attributes_;
  AlignedVector<float> weight_;
  AlignedVector<float> bias_;
};

/// fma(x, factor, offset) by channel.
class BatchNormNode final : public Node {
 public:
  BatchNormNode(AlignedVector<float> factor, AlignedVector<float> offset) noexcept
      : factor_(std::move(factor)), offset_(std::move(offset)) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& shape = inputs[0].shape;
    const uint64_t channels = shape.rank < 2 ? 0 : shape.size[1];
    if (channels != factor_.size()) {
      return misfit("batch_norm", "{} channels, expected {}", channels, factor_.size());
    }
    return same_floats("batch_norm", inputs, outputs);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& shape = call.inputs[0].shape();
    const BatchNormCall norm{.x = call.inputs[0].as<const float>(),
                             .out = call.outputs[0].as<float>(),
                             .factor = factor_.data(),
                             .offset = offset_.data(),
                             .n_images = shape.size[0],
                             .positions = shape.elements(2, shape.rank),
                             .channels = shape.size[1],
                             .channels_first = !call.inputs[0].channels_last,
                             .threads = call.threads};
    return run_batch_norm(norm, call.kernels);
  }

  [[nodiscard]] Order order(uint32_t) const noexcept override { return Order::alike; }
  [[nodiscard]] bool image_wise() const noexcept override { return true; }

 private:
  AlignedVector<float> factor_;
  AlignedVector<float> offset_;
};

template <class T, class... Extra>
Result<NodePointer> with_two(const Source& source, const T& attributes, auto make) {
  Result<AlignedVector<float>> weight = optional_floats(source, 0);
  if (!weight) return weight.status();
  Result<AlignedVector<float>> bias =
      source.op.tensor_count > 1 ? optional_floats(source, 1) : AlignedVector<float>{};
  if (!bias) return bias.status();
  return make(attributes, std::move(*weight), std::move(*bias));
}

}  // namespace

Result<NodePointer> make_float(const Source& source) {
  const auto row_norm = [&](const RowNormNode::Attributes& attributes) {
    return with_two(source, attributes, [](const auto& own, auto weight, auto bias) {
      return NodePointer(std::make_unique<RowNormNode>(own, std::move(weight), std::move(bias)));
    });
  };
  switch (source.op.opcode) {
    case CORDWOOD_OP_ACTIVATION: {
      Result<AlignedVector<float>> slopes = optional_floats(source, 0);
      if (!slopes) return slopes.status();
      return NodePointer(std::make_unique<ActivationNode>(
          source.attributes<cordwood_activation_attributes>(), std::move(*slopes)));
    }
    case CORDWOOD_OP_UNARY:
      return NodePointer(
          std::make_unique<UnaryNode>(source.attributes<cordwood_kind_attributes>().kind));
    case CORDWOOD_OP_SOFTMAX:
      return NodePointer(
          std::make_unique<SoftmaxNode>(source.attributes<cordwood_softmax_attributes>()));
    case CORDWOOD_OP_LAYER_NORM: {
      const auto norm = source.attributes<cordwood_layer_norm_attributes>();
      return row_norm({norm.axes, norm.epsilon, 0.0f, true});
    }
    case CORDWOOD_OP_RMS_NORM: {
      const auto norm = source.attributes<cordwood_rms_norm_attributes>();
      return row_norm({1, norm.epsilon, norm.weight_offset, false});
    }
    case CORDWOOD_OP_GROUP_NORM:
      return with_two(source, source.attributes<cordwood_group_norm_attributes>(),
                      [](const auto& own, auto weight, auto bias) {
                        return NodePointer(std::make_unique<GroupNormNode>(own, std::move(weight),
                                                                           std::move(bias)));
                      });
    default:  // CORDWOOD_OP_BATCH_NORM
      return with_two(source, 0, [](int, auto factor, auto offset) {
        return NodePointer(std::make_unique<BatchNormNode>(std::move(factor), std::move(offset)));
      });
  }
}

}  // namespace cordwood::runtime
