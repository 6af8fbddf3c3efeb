// constant, reshape, expand, transpose, slice: the same elements in another place.
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/strides.hpp"
#include "runtime/nets/tensor_numbers.hpp"

namespace cordwood::runtime {
namespace {

/// Copies the elements that strides point at into C order.
void copy_strided(const Array& x, const Strides& strides, int64_t first,
                  const Array& out) noexcept {
  const Walk<2> walk(out.shape(), {strides, c_strides(out.shape())});
  with_width(out.form.dtype, [&]<class T>(T) {
    walk.each([&](const auto& offset, uint64_t count, const auto& step) {
      const T* from = x.as<const T>() + first + offset[0];
      T* to = out.as<T>() + offset[1];
      if (step[0] == 1) {
        std::memcpy(to, from, count * sizeof(T));
        return;
      }
      for (uint64_t i = 0; i < count; ++i) to[i] = from[static_cast<int64_t>(i) * step[0]];
    });
  });
}

/// A size or position; fails where it names an axis that the input has not. INFERRED gives `otherwise`.
Status size_of(const cordwood_dimension& size, std::span<const ArrayForm> inputs, int64_t otherwise,
               int64_t& found) noexcept {
  found = size.kind == CORDWOOD_DIMENSION_INFERRED ? otherwise : size.value;
  if (size.kind != CORDWOOD_DIMENSION_OF_INPUT) return {};
  const Shape& shape = inputs[size.input].shape;
  if (size.axis >= shape.rank) {
    return misfit("shape", "a size is that of axis {} of an input of {} axes", size.axis,
                  shape.rank);
  }
  found += static_cast<int64_t>(shape.size[size.axis]);
  return {};
}

class ConstantNode final : public Node {
 public:
  ConstantNode(AlignedVector<std::byte> elements, const ArrayForm& form) noexcept
      : elements_(std::move(elements)), form_(form) {}

  Status infer(std::span<const ArrayForm>, std::span<ArrayForm> outputs) const noexcept override {
    if (outputs[0].dtype != form_.dtype) {
      return misfit("constant", "a tensor of type {} for a value of type {}", form_.dtype,
                    outputs[0].dtype);
    }
    outputs[0] = form_;
    return {};
  }
  Status run(const NodeCall&) const noexcept override { return {}; }
  [[nodiscard]] const std::byte* constant() const noexcept override { return elements_.data(); }
  [[nodiscard]] uint64_t resident_bytes() const noexcept override { return elements_.size(); }

 private:
  AlignedVector<std::byte> elements_;
  ArrayForm form_;
};

class ReshapeNode final : public Node {
 public:
  explicit ReshapeNode(const cordwood_shape_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    Shape& shape = outputs[0].shape;
    shape = {};
    shape.rank = attributes_.rank;
    uint32_t inferred = CORDWOOD_MAX_RANK;
    uint64_t known = 1;
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      int64_t size = 0;
      CORDWOOD_RETURN_IF_FAILED(size_of(attributes_.dimension[axis], inputs, -1, size));
      if (size < 0) {
        inferred = axis;
        continue;
      }
      shape.size[axis] = static_cast<uint64_t>(size);
      if (!checked_multiply(known, shape.size[axis], known)) known = UINT64_MAX;
    }
    const uint64_t elements = inputs[0].shape.elements();
    if (inferred < shape.rank) {
      shape.size[inferred] = known == 0 ? 0 : elements / known;
      known *= shape.size[inferred];
    }
    if (known == elements && outputs[0].dtype == inputs[0].dtype) return {};
    return misfit("reshape", "{} elements of type {} into a shape of {} of type {}", elements,
                  inputs[0].dtype, known, outputs[0].dtype);
  }
  Status run(const NodeCall&) const noexcept override { return {}; }
  [[nodiscard]] bool shares_input() const noexcept override { return true; }
  [[nodiscard]] bool reads_shape_only(uint32_t input) const noexcept override { return input > 0; }

 private:
  cordwood_shape_attributes attributes_;
};

class ExpandNode final : public Node {
 public:
  explicit ExpandNode(const cordwood_shape_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& from = inputs[0].shape;
    Shape& shape = outputs[0].shape;
    shape = {};
    shape.rank = attributes_.rank;
    bool fits = from.rank <= shape.rank && outputs[0].dtype == inputs[0].dtype;
    for (uint32_t axis = 0; fits && axis < shape.rank; ++axis) {
      const uint32_t back = shape.rank - axis;
      const uint64_t own = back <= from.rank ? from.size[from.rank - back] : 1;
      int64_t size = 0;
      CORDWOOD_RETURN_IF_FAILED(
          size_of(attributes_.dimension[axis], inputs, static_cast<int64_t>(own), size));
      fits = size >= 0 && (own == 1 || own == static_cast<uint64_t>(size));
      shape.size[axis] = static_cast<uint64_t>(size);
    }
    if (fits) return {};
    return misfit("expand", "{} elements in {} axes, which do not repeat to the shape of {} axes",
                  from.elements(), from.rank, shape.rank);
  }
  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    copy_strided(x, broadcast_strides(x.shape(), call.outputs[0].shape()), 0, call.outputs[0]);
    return {};
  }
  [[nodiscard]] bool reads_shape_only(uint32_t input) const noexcept override { return input > 0; }

 private:
  cordwood_shape_attributes attributes_;
};

class TransposeNode final : public Node {
 public:
  explicit TransposeNode(const cordwood_transpose_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    outputs[0].shape.rank = inputs[0].shape.rank;
    for (uint32_t axis = 0; axis < inputs[0].shape.rank; ++axis) {
      outputs[0].shape.size[axis] = inputs[0].shape.size[attributes_.axes[axis]];
    }
    if (outputs[0].dtype == inputs[0].dtype) return {};
    return misfit("transpose", "type {} to type {}", inputs[0].dtype, outputs[0].dtype);
  }
  Status run(const NodeCall& call) const noexcept override {
    const Strides own = c_strides(call.inputs[0].shape());
    Strides strides{};
    for (uint32_t axis = 0; axis < call.inputs[0].shape().rank; ++axis) {
      strides[axis] = own[attributes_.axes[axis]];
    }
    copy_strided(call.inputs[0], strides, 0, call.outputs[0]);
    return {};
  }

 private:
  cordwood_transpose_attributes attributes_;
};

class SliceNode final : public Node {
 public:
  explicit SliceNode(const cordwood_slice_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    Shape& shape = outputs[0].shape;
    shape = inputs[0].shape;
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      int64_t start = 0;
      CORDWOOD_RETURN_IF_FAILED(bounds(inputs, axis, start, shape.size[axis]));
    }
    if (outputs[0].dtype == inputs[0].dtype) return {};
    return misfit("slice", "type {} to type {}", inputs[0].dtype, outputs[0].dtype);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    const Strides own = c_strides(x.shape());
    std::array<ArrayForm, kMostInputs> forms;
    const std::size_t count = std::min(call.inputs.size(), forms.size());
    for (std::size_t i = 0; i < count; ++i) forms[i] = call.inputs[i].form;
    Strides strides{};
    int64_t first = 0;
    for (uint32_t axis = 0; axis < x.shape().rank; ++axis) {
      int64_t start = 0;
      uint64_t size = 0;
      CORDWOOD_RETURN_IF_FAILED(bounds({forms.data(), count}, axis, start, size));
      strides[axis] = own[axis] * attributes_.step[axis];
      first += start * own[axis];
    }
    copy_strided(x, strides, first, call.outputs[0]);
    return {};
  }
  [[nodiscard]] bool reads_shape_only(uint32_t input) const noexcept override { return input > 0; }

 private:
  static constexpr std::size_t kMostInputs = 1 + 2 * CORDWOOD_MAX_RANK;

  /// Where the part of an axis starts, and how many elements it has; NumPy's rules.
  Status bounds(std::span<const ArrayForm> inputs, uint32_t axis, int64_t& start,
                uint64_t& count) const noexcept {
    if (inputs.size() > kMostInputs) return misfit("slice", "{} inputs", inputs.size());
    const auto size = static_cast<int64_t>(inputs[0].shape.size[axis]);
    const int64_t step = attributes_.step[axis];
    int64_t stop = 0;
    CORDWOOD_RETURN_IF_FAILED(
        size_of(attributes_.start[axis], inputs, step > 0 ? 0 : size - 1, start));
    CORDWOOD_RETURN_IF_FAILED(
        size_of(attributes_.stop[axis], inputs, step > 0 ? size : -1 - size, stop));
    if (start < 0) start += size;
    if (stop < 0) stop += size;
    const int64_t low = step > 0 ? 0 : -1;
    const int64_t high = step > 0 ? size : size - 1;
    start = std::clamp(start, low, std::max(low, high));
    stop = std::clamp(stop, low, std::max(low, high));
    const int64_t length = step > 0 ? stop - start : start - stop;
    const int64_t stride = step > 0 ? step : -step;
    count = length <= 0 ? 0 : static_cast<uint64_t>((length + stride - 1) / stride);
    return {};
  }

  cordwood_slice_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_shaping(const Source& source) {
  switch (source.op.opcode) {
    case CORDWOOD_OP_CONSTANT: {
      const cordwood_tensor tensor = source.tensor(0);
      ArrayForm form{.shape = {.size = {}, .rank = tensor.rank}, .dtype = tensor.dtype};
      std::copy_n(tensor.dimension, tensor.rank, form.shape.size.begin());
      if (!with_type(tensor.dtype, [](auto) {})) return no_such_type("constant", tensor.dtype);
      Result<AlignedVector<std::byte>> elements = plain_elements(source, 0);
      if (!elements) return elements.status();
      return NodePointer(std::make_unique<ConstantNode>(std::move(*elements), form));
    }
    case CORDWOOD_OP_RESHAPE:
      return NodePointer(
          std::make_unique<ReshapeNode>(source.attributes<cordwood_shape_attributes>()));
    case CORDWOOD_OP_EXPAND:
      return NodePointer(
          std::make_unique<ExpandNode>(source.attributes<cordwood_shape_attributes>()));
    case CORDWOOD_OP_TRANSPOSE:
      return NodePointer(
          std::make_unique<TransposeNode>(source.attributes<cordwood_transpose_attributes>()));
    default:  // CORDWOOD_OP_SLICE
      return NodePointer(
          std::make_unique<SliceNode>(source.attributes<cordwood_slice_attributes>()));
  }
}

}  // namespace cordwood::runtime
