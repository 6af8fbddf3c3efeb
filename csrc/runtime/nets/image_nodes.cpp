// conv and pool: images as nets pass them on, with channels first, or last as numbers or codes.
#include <algorithm>
#include <cstring>

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

/// What the codes of a value stand for; of scale 0 where it holds numbers.
struct ImageCoding {
  float scale = 0.0f;
  int32_t zero = 0;

  explicit ImageCoding(const cordwood_value& value) noexcept
      : scale(value.code_scale), zero(value.code_zero) {}
  ImageCoding() noexcept = default;
  [[nodiscard]] uint8_t dtype() const noexcept {
    return scale == 0.0f ? uint8_t{CORDWOOD_DTYPE_FLOAT32} : uint8_t{CORDWOOD_DTYPE_UINT8};
  }
};

/// Images as an array holds them.
Images images_of(const Array& array, uint32_t axes, const ImageCoding& coding) noexcept {
  Images images;
  images.data = array.data;
  images.channels_first = !array.channels_last;
  images.kind = coding.scale == 0.0f ? ImageKind::float32 : ImageKind::uint8;
  images.scale = coding.scale;
  images.zero = coding.zero;
  const uint64_t channels = array.shape().size[1];
  Space size = space_of(array.shape(), axes);
  for (uint32_t axis = 0; axis < CORDWOOD_MAX_SPACE; ++axis) {
    size[axis] += array.border.around(axis);
  }
  pack(images, size, channels);
  const auto& before = array.border.before;
  images.data = array.data + (before[0] * images.plane_stride + before[1] * images.row_stride +
                              before[2] * channels) *
                                 element_bytes(array.form.dtype);
  return images;
}

/// Writes the zero of a coding all around images.
void fill_border(const Array& array, uint32_t axes, const ImageCoding& coding) noexcept {
  if (!array.border.any()) return;
  const Images images = images_of(array, axes, coding);
  const Space size = space_of(array.shape(), axes);
  const uint64_t bytes = element_bytes(array.form.dtype);
  const uint64_t position = array.shape().size[1] * bytes;
  const uint64_t row = images.row_stride * bytes;
  const uint64_t plane = images.plane_stride * bytes;
  std::byte* at = array.data;  // the next byte that is not filled
  const auto fill_to = [&](std::byte* end) {
    std::memset(at, coding.zero, static_cast<std::size_t>(end - at));
  };
  for (uint64_t image = 0; image < array.shape().size[0]; ++image) {
    std::byte* first = static_cast<std::byte*>(images.data) + image * images.image_stride * bytes;
    for (uint64_t z = 0; z < size[0]; ++z) {
      for (uint64_t y = 0; y < size[1]; ++y) {
        std::byte* own = first + z * plane + y * row;
        fill_to(own);
        at = own + size[2] * position;
      }
    }
  }
  fill_to(array.data + array.shape().size[0] * images.image_stride * bytes);
}

bool covers(const Border& border, const Border& wanted) noexcept {
  return std::ranges::equal(border.before, wanted.before, std::ranges::greater_equal{}) &&
         std::ranges::equal(border.after, wanted.after, std::ranges::greater_equal{});
}

bool is_image(const ArrayForm& form, uint32_t axes, const ImageCoding& coding) noexcept {
  return form.dtype == coding.dtype() && form.shape.rank == axes + 2;
}

class ConvNode final : public Node {
 public:
  ConvNode(ConvPlan plan, AlignedVector<float> bias, const Source& source) noexcept
      : plan_(std::move(plan)),
        bias_(std::move(bias)),
        attributes_(source.attributes<cordwood_conv_attributes>()),
        coding_(source.input(0)),
        out_coding_(source.output(0)),
        n_inputs_(source.op.input_count) {
    if (source.op.input_count > 1) residual_coding_ = ImageCoding(source.input(1));
  }

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint32_t axes = attributes_.axes;
    if (!is_image(inputs[0], axes, coding_) || inputs[0].shape.size[1] != plan_.channels() ||
        outputs[0].dtype != out_coding_.dtype()) {
      return misfit("conv",
                    "an input of type {}, {} axes and {} channels, expected float32, or codes of a "
                    "known scale, and {}",
                    inputs[0].dtype, inputs[0].shape.rank, inputs[0].shape.size[1],
                    plan_.channels());
    }
    const Result<Space> size = plan_.output_size(space_of(inputs[0].shape, axes));
    if (!size) return size.status();
    Shape& shape = outputs[0].shape;
    shape = inputs[0].shape;
    shape.size[1] = plan_.outputs();
    put_space(*size, axes, shape);
    if (inputs.size() > 1 &&
        (inputs[1].shape != shape || inputs[1].dtype != residual_coding_.dtype())) {
      return misfit("conv", "a residual of {} elements, expected the output's shape",
                    inputs[1].shape.elements());
    }
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Ending ending(attributes_.product);
    ConvCall conv;
    const uint32_t axes = attributes_.axes;
    conv.x = images_of(call.inputs[0], axes, coding_);
    const Border wanted = plan_.border();
    conv.bordered = wanted.any() && covers(call.inputs[0].border, wanted);
    conv.size = space_of(call.inputs[0].shape(), axes);
    conv.n_images = call.inputs[0].shape().size[0];
    conv.bias = bias_.empty() ? nullptr : bias_.data();
    if (call.inputs.size() > 1) conv.residual = images_of(call.inputs[1], axes, residual_coding_);
    conv.out = images_of(call.outputs[0], axes, out_coding_);
    fill_border(call.outputs[0], axes, out_coding_);
    conv.low = ending.low;
    conv.high = ending.high;
    conv.cut = ending.cut != 0;
    conv.activation = ending.activation;
    conv.threads = call.threads;
    return run_conv(call.images, plan_, conv, call.kernels);
  }

  [[nodiscard]] Order order(uint32_t) const noexcept override { return Order::either; }
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm>) const noexcept override { return true; }
  [[nodiscard]] Border wanted_border(uint32_t operand) const noexcept override {
    const bool codes = coding_.scale != 0.0f;
    return operand == 0 && codes != plan_.floats() ? plan_.border() : Border{};
  }
  /// What a pointwise convolution writes goes on from row to row without gaps, which is worth more.
  [[nodiscard]] bool takes_border(uint32_t operand) const noexcept override {
    return operand < n_inputs_ || !plan_.pointwise();
  }
  [[nodiscard]] uint64_t resident_bytes() const noexcept override { return plan_.n_bytes(); }

 private:
  ConvPlan plan_;
  AlignedVector<float> bias_;
  cordwood_conv_attributes attributes_;
  ImageCoding coding_;
  ImageCoding residual_coding_;
  ImageCoding out_coding_;
  uint32_t n_inputs_;
};

class PoolNode final : public Node {
 public:
  explicit PoolNode(const Source& source) noexcept
      : attributes_(source.attributes<cordwood_pool_attributes>()), coding_(source.input(0)) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint32_t axes = attributes_.axes;
    if (!is_image(inputs[0], axes, coding_) || outputs[0].dtype != coding_.dtype()) {
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
    pool.x = images_of(call.inputs[0], attributes_.axes, coding_);
    pool.out = images_of(call.outputs[0], attributes_.axes, coding_);
    fill_border(call.outputs[0], attributes_.axes, coding_);
    pool.size = space_of(call.inputs[0].shape(), attributes_.axes);
    pool.n_images = call.inputs[0].shape().size[0];
    pool.channels = call.inputs[0].shape().size[1];
    pool.threads = call.threads;
    return run_pool(call.products.scratch, pool, call.kernels);
  }

  [[nodiscard]] Order order(uint32_t) const noexcept override { return Order::either; }
  [[nodiscard]] bool takes_border(uint32_t) const noexcept override { return true; }
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm>) const noexcept override { return true; }

 private:
  cordwood_pool_attributes attributes_;
  ImageCoding coding_;
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
    return NodePointer(std::make_unique<PoolNode>(source));
  }
  const auto attributes = source.attributes<cordwood_conv_attributes>();
  Result<ConvPlan> plan = plan_conv(source, attributes);
  if (!plan) return plan.status();
  Result<AlignedVector<float>> bias = optional_floats(source, 1);
  if (!bias) return bias.status();
  return NodePointer(std::make_unique<ConvNode>(std::move(*plan), std::move(*bias), source));
}

}  // namespace cordwood::runtime
