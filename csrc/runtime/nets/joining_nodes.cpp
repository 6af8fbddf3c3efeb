// concat and pad: arrays grow.
#include <algorithm>
#include <cstring>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/strides.hpp"

namespace cordwood::runtime {
namespace {

class ConcatNode final : public Node {
 public:
  explicit ConcatNode(uint32_t axis) noexcept : axis_(axis) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    Shape& shape = outputs[0].shape;
    shape = inputs[0].shape;
    shape.size[axis_] = 0;
    for (const ArrayForm& part : inputs) {
      bool fits = part.dtype == outputs[0].dtype && part.shape.rank == shape.rank;
      for (uint32_t axis = 0; fits && axis < shape.rank; ++axis) {
        fits = axis == axis_ || part.shape.size[axis] == shape.size[axis];
      }
      if (!fits) {
        return misfit("concat", "a part of {} elements does not fit the others beside axis {}",
                      part.shape.elements(), axis_);
      }
      shape.size[axis_] += part.shape.size[axis_];
    }
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& out = call.outputs[0];
    const Shape& whole = out.shape();
    const uint64_t width = element_bytes(out.form.dtype);
    const uint64_t runs = whole.elements(0, axis_);
    const uint64_t row = whole.elements(axis_, whole.rank) * width;
    std::byte* to = out.data;
    for (const Array& part : call.inputs) {
      const uint64_t bytes = part.shape().elements(axis_, whole.rank) * width;
      for (uint64_t run = 0; run < runs; ++run) {
        if (bytes != 0) std::memcpy(to + run * row, part.data + run * bytes, bytes);
      }
      to += bytes;
    }
    return {};
  }

 private:
  uint32_t axis_;
};

class PadNode final : public Node {
 public:
  explicit PadNode(const cordwood_pad_attributes& attributes) noexcept : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    Shape& shape = outputs[0].shape;
    shape = inputs[0].shape;
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      const uint64_t size = shape.size[axis];
      const uint64_t border = std::max(attributes_.before[axis], attributes_.after[axis]);
      const uint64_t most = attributes_.mode == CORDWOOD_PAD_REFLECT     ? size - (size != 0)
                            : attributes_.mode == CORDWOOD_PAD_CIRCULAR  ? size
                            : attributes_.mode == CORDWOOD_PAD_REPLICATE ? (size != 0 ? border : 0)
                                                                         : border;
      if (border > most) {
        return misfit("pad", "{} elements at a border of axis {}, which has {}", border, axis,
                      size);
      }
      shape.size[axis] += attributes_.before[axis] + attributes_.after[axis];
    }
    if (outputs[0].dtype == inputs[0].dtype && with_type(inputs[0].dtype, [](auto) {})) return {};
    return misfit("pad", "type {} to type {}", inputs[0].dtype, outputs[0].dtype);
  }

  Status run(const NodeCall& call) const noexcept override {
    with_type(call.inputs[0].form.dtype,
              [&]<class T>(T) { fill<T>(call.inputs[0], call.outputs[0]); });
    return {};
  }

 private:
  /// Where an output's position comes from; -1 for the constant.
  [[nodiscard]] int64_t source(uint32_t axis, uint64_t position, uint64_t size) const noexcept {
    const auto n = static_cast<int64_t>(size);
    const int64_t at =
        static_cast<int64_t>(position) - static_cast<int64_t>(attributes_.before[axis]);
    if (at >= 0 && at < n) return at;
    switch (attributes_.mode) {
      case CORDWOOD_PAD_REFLECT:
        return at < 0 ? -at : 2 * (n - 1) - at;
      case CORDWOOD_PAD_REPLICATE:
        return at < 0 ? 0 : n - 1;
      case CORDWOOD_PAD_CIRCULAR:
        return at < 0 ? at + n : at - n;
      default:  // CORDWOOD_PAD_CONSTANT
        return -1;
    }
  }

  template <class T>
  void fill(const Array& x, const Array& out) const noexcept {
    const T constant = convert<T>(attributes_.value);
    const Strides own = c_strides(x.shape());
    const Shape& whole = out.shape();
    if (whole.rank == 0) {
      out.as<T>()[0] = x.as<const T>()[0];
      return;
    }
    const uint64_t columns = whole.last();
    const uint64_t rows = whole.elements(0, whole.rank - 1);
    const uint32_t last = whole.rank - 1;
    T* to = out.as<T>();
    for (uint64_t row = 0; row < rows; ++row, to += columns) {
      int64_t first = 0;
      uint64_t rest = row;
      for (uint32_t axis = last; axis-- > 0;) {
        const int64_t at = source(axis, rest % whole.size[axis], x.shape().size[axis]);
        rest /= whole.size[axis];
        first = at < 0 || first < 0 ? -1 : first + at * own[axis];
      }
      if (first < 0) {
        std::fill_n(to, columns, constant);
        continue;
      }
      const T* from = x.as<const T>() + first;
      for (uint64_t column = 0; column < columns; ++column) {
        const int64_t at = source(last, column, x.shape().size[last]);
        to[column] = at < 0 ? constant : from[at];
      }
    }
  }

  cordwood_pad_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_joining(const Source& source) {
  if (source.op.opcode == CORDWOOD_OP_CONCAT) {
    return NodePointer(
        std::make_unique<ConcatNode>(source.attributes<cordwood_concat_attributes>().axis));
  }
  return NodePointer(std::make_unique<PadNode>(source.attributes<cordwood_pad_attributes>()));
}

}  // namespace cordwood::runtime
