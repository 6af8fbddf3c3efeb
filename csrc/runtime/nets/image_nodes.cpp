// conv and pool: images with channels first, as nets pass them on.
#include <algorithm>

#include "runtime/conv_run.hpp"
#include "runtime/nets/float_tasks.hpp"
#include "runtime/nets/product_parts.hpp"
#include "runtime/nets/tensor_numbers.hpp"
#include "runtime/pool_run.hpp"

namespace cordwood::runtime {
namespace {

/// Space axes of a value (batch, channels, d1, ...), led by axes of size 1.
Space space_of(const Shape& shape, uint32_t axes) noexcept {
  Space space{1, 1, 1};
  for (uint32_t axis = 0; axis < axes; ++axis) {
    space[CORDWOOD_MAX_SPACE - axes + axis] = shape.size[2 + axis];
  }
  return space;
}

void put_space(const Space& space, uint32_t axes, Shape& shape) noexcept {
  for (uint32_t axis = 0; axis < axes; ++axis) {
    shape.size[2 + axis] = space[CORDWOOD_MAX_SPACE - axes + axis];
  }
}

/// float32 images with channels first.
Images images_of(const Array& array) noexcept {
  Images images;
  images.data = array.data;
  images.channels_first = true;
  return images;
}

bool is_image(const ArrayForm& form, uint32_t axes) noexcept {
  return form.dtype == CORDWOOD_DTYPE_FLOAT32 && form.shape.rank == axes + 2;
}

class ConvNode final : public Node {
 public:
  ConvNode(ConvPlan plan, AlignedVector<float> bias,
           const cordwood_conv_attributes& attributes) noexcept
      : plan_(std::move(plan)), bias_(std::move(bias)), attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint32_t axes = attributes_.axes;
    if (!is_image(inputs[0], axes) || inputs[0].shape.size[1] != plan_.channels()) {
      return misfit("conv", "an input of type {}, {} axes and {} channels, expected float32 and {}",
                    inputs[0].dtype, inputs[0].shape.rank, inputs[0].shape.size[1],
                    plan_.channels());
    }
    const Result<Space> size = plan_.output_size(space_of(inputs[0].shape, axes));
    if (!size) return size.status();
    Shape& shape = outputs[0].shape;
    shape = inputs[0].shape;
    shape.size[1] = plan_.outputs();
    put_space(*size, axes, shape);
    if (inputs.size() > 1 && inputs[1] != outputs[0]) {
      return misfit("conv", "a residual of {} elements, expected the output's shape",
                    inputs[1].shape.elements());
    }
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Ending ending(attributes_.product);
    ConvCall conv;
    conv.x = images_of(call.inputs[0]);
    conv.size = space_of(call.inputs[0].shape(), attributes_.axes);
    conv.n_images = call.inputs[0].shape().size[0];
    conv.bias = bias_.empty() ? nullptr : bias_.data();
    if (call.inputs.size() > 1) conv.residual = images_of(call.inputs[1]);
    conv.out = images_of(call.outputs[0]);
    conv.low = ending.low;
    conv.high = ending.high;
    conv.cut = ending.cut != 0;
    conv.threads = call.threads;
    CORDWOOD_RETURN_IF_FAILED(run_conv(call.images, plan_, conv, call.kernels));
    if (!ending.activation.wanted) return {};
    float* out = call.outputs[0].as<float>();
    const uint64_t count = call.outputs[0].shape().elements();
    return each_stretch(call.threads, count, [&](uint64_t first, uint64_t stretch) {
      activate_block(call.kernels, ending.activation, out + first, stretch, 1, stretch);
    });
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override { return plan_.n_bytes(); }

 private:
  ConvPlan plan_;
  AlignedVector<float> bias_;
  cordwood_conv_attributes attributes_;
};

class PoolNode final : public Node {
 public:
  explicit PoolNode(const cordwood_pool_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint32_t axes = attributes_.axes;
    if (!is_image(inputs[0], axes) || outputs[0].dtype != CORDWOOD_DTYPE_FLOAT32) {
      return misfit("pool", "an input of type {} and {} axes, expected float32 and {}",
                    inputs[0].dtype, inputs[0].shape.rank, axes + 2);
    }
    const Result<Space> size = pool_size(attributes_, space_of(inputs[0].shape, axes));
    if (!size) return size.status();
    outputs[0].shape = inputs[0].shape;
    put_space(*size, axes, outputs[0].shape);
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    PoolCall pool;
    pool.attributes = attributes_;
    pool.x = images_of(call.inputs[0]);
    pool.out = images_of(call.outputs[0]);
    pool.size = space_of(call.inputs[0].shape(), attributes_.axes);
    pool.n_images = call.inputs[0].shape().size[0];
    pool.channels = call.inputs[0].shape().size[1];
    pool.threads = call.threads;
    return run_pool(call.products.scratch, pool, call.kernels);
  }

 private:
  cordwood_pool_attributes attributes_;
};

Space kernel_of(const cordwood_tensor& weight, uint32_t axes) noexcept {
  Space kernel{1, 1, 1};
  for (uint32_t axis = 0; axis < axes; ++axis) {
    kernel[CORDWOOD_MAX_SPACE - axes + axis] = weight.dimension[2 + axis];
  }
  return kernel;
}

Result<ConvPlan> plan_conv(const Source& source, const cordwood_conv_attributes& attributes) {
  const cordwood_tensor weight = source.tensor(0);
  const bool transposed = attributes.transposed != 0;
  ConvWeights weights{};
  weights.outputs = transposed ? weight.dimension[1] * attributes.groups : weight.dimension[0];
  weights.channels = transposed ? weight.dimension[0] : weight.dimension[1] * attributes.groups;
  weights.kernel = kernel_of(weight, attributes.axes);
  if (attributes.product.rows == CORDWOOD_ROWS_FLOAT32) {
    const Result<AlignedVector<float>> numbers = float_elements(source, 0);
    if (!numbers) return numbers.status();
    weights.numbers = *numbers;
    return ConvPlan::build(attributes, weights);
  }
  const Result<CodeArrays> codes = byte_codes(source, 0);
  if (!codes) return codes.status();
  weights.codes = codes->payload;
  weights.scales = codes->scales;
  return ConvPlan::build(attributes, weights);
}

}  // namespace

Result<NodePointer> make_image(const Source& source) {
  if (source.op.opcode == CORDWOOD_OP_POOL) {
    return NodePointer(std::make_unique<PoolNode>(source.attributes<cordwood_pool_attributes>()));
  }
  const auto attributes = source.attributes<cordwood_conv_attributes>();
  Result<ConvPlan> plan = plan_conv(source, attributes);
  if (!plan) return plan.status();
  Result<AlignedVector<float>> bias = optional_floats(source, 1);
  if (!bias) return bias.status();
  return NodePointer(std::make_unique<ConvNode>(std::move(*plan), std::move(*bias), attributes));
}

}  // namespace cordwood::runtime
