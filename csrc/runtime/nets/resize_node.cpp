// resize: nearest or linear sampling of the space axes, one axis after the other (docs/graph.md, 70).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/nets/node.hpp"

namespace cordwood::runtime {
namespace {

/// Where one output position samples.
struct Sample {
  uint64_t low;
  uint64_t high;
  float share;  ///< of the upper one
};

class ResizeNode final : public Node {
 public:
  explicit ResizeNode(const cordwood_resize_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& x = inputs[0].shape;
    if (inputs[0].dtype != CORDWOOD_DTYPE_FLOAT32 || outputs[0].dtype != CORDWOOD_DTYPE_FLOAT32 ||
        x.rank != attributes_.axes + 2) {
      return misfit("resize", "an input of type {} and {} axes, expected float32 and {}",
                    inputs[0].dtype, x.rank, attributes_.axes + 2);
    }
    outputs[0].shape = x;
    for (uint32_t axis = 0; axis < attributes_.axes; ++axis) {
      const uint64_t old = x.size[axis + 2];
      const double scaled = std::floor(static_cast<double>(old) * attributes_.factor[axis]);
      const uint64_t size =
          attributes_.size[axis] != 0 ? attributes_.size[axis] : static_cast<uint64_t>(scaled);
      if (old == 0 || size == 0) {
        return misfit("resize", "{} positions to {}, expected some", old, size);
      }
      outputs[0].shape.size[axis + 2] = size;
    }
    return {};
  }

  /// Two arrays that axes pass through in turn, each as large as the largest on the way.
  [[nodiscard]] uint64_t scratch_bytes(std::span<const ArrayForm> inputs,
                                       std::span<const ArrayForm> outputs) const noexcept override {
    return 2 * largest(inputs[0].shape, outputs[0].shape) * sizeof(float);
  }

  Status run(const NodeCall& call) const noexcept override {
    const Shape& old = call.inputs[0].shape();
    const Shape& whole = call.outputs[0].shape();
    float* rooms[] = {reinterpret_cast<float*>(call.scratch.data()),
                      reinterpret_cast<float*>(call.scratch.data()) + largest(old, whole)};
    const float* from = call.inputs[0].as<const float>();
    Shape shape = old;
    for (uint32_t axis = 0; axis < attributes_.axes; ++axis) {
      const bool last = axis + 1 == attributes_.axes;
      float* to = last ? call.outputs[0].as<float>() : rooms[axis % 2];
      resample(axis, shape, whole.size[axis + 2], from, to);
      shape.size[axis + 2] = whole.size[axis + 2];
      from = to;
    }
    return {};
  }

 private:
  [[nodiscard]] uint64_t largest(const Shape& old, const Shape& whole) const noexcept {
    uint64_t most = 0;
    Shape shape = old;
    for (uint32_t axis = 0; axis < attributes_.axes; ++axis) {
      shape.size[axis + 2] = whole.size[axis + 2];
      most = std::max(most, shape.elements());
    }
    return most;
  }

  [[nodiscard]] Sample sample(uint32_t axis, uint64_t position, uint64_t old,
                              uint64_t size) const noexcept {
    const double pace = attributes_.size[axis] != 0
                            ? static_cast<double>(old) / static_cast<double>(size)
                            : 1.0 / attributes_.factor[axis];
    const auto at = static_cast<double>(position);
    double place = at * pace;
    if (attributes_.coordinates == CORDWOOD_COORDINATES_HALF_PIXEL) {
      const double half = (at + 0.5) * pace;
      place = attributes_.mode == CORDWOOD_RESIZE_NEAREST ? half : std::max(half - 0.5, 0.0);
    } else if (attributes_.coordinates == CORDWOOD_COORDINATES_ALIGN_CORNERS) {
      place = size == 1 ? 0.0 : at * static_cast<double>(old - 1) / static_cast<double>(size - 1);
    }
    const uint64_t low = std::min(static_cast<uint64_t>(place), old - 1);
    const double rest = place - static_cast<double>(low);
    return {low, std::min(low + 1, old - 1), static_cast<float>(std::min(rest, 1.0))};
  }

  void resample(uint32_t axis, const Shape& shape, uint64_t size, const float* from,
                float* to) const noexcept {
    const uint64_t old = shape.size[axis + 2];
    const uint64_t outer = shape.elements(0, axis + 2);
    const uint64_t inner = shape.elements(axis + 3, shape.rank);
    for (uint64_t position = 0; position < size; ++position) {
      const Sample where = sample(axis, position, old, size);
      for (uint64_t block = 0; block < outer; ++block) {
        const float* low = from + (block * old + where.low) * inner;
        const float* high = from + (block * old + where.high) * inner;
        float* out = to + (block * size + position) * inner;
        if (attributes_.mode == CORDWOOD_RESIZE_NEAREST) {
          if (inner != 0) std::memcpy(out, low, inner * sizeof(float));
          continue;
        }
        const float share = where.share;
        for (uint64_t i = 0; i < inner; ++i) {
          out[i] = low[i] * (1.0f - share) + high[i] * share;
        }
      }
    }
  }

  cordwood_resize_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_resize(const Source& source) {
  return NodePointer(std::make_unique<ResizeNode>(source.attributes<cordwood_resize_attributes>()));
}

}  // namespace cordwood::runtime
