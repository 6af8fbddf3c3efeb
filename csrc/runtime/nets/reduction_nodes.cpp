// reduce and arg_reduce: along axes, in the orders that docs/graph.md fixes.
#include <array>
#include <cmath>
#include <limits>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/strides.hpp"

namespace cordwood::runtime {
namespace {

/// The axes that stay and those that go, each with the input's strides.
struct Axes {
  Shape kept;
  Shape gone;
  Strides kept_strides{};
  Strides gone_strides{};

  Axes(const Array& array, uint32_t mask) noexcept {
    const Shape& shape = array.shape();
    const Strides own = strides_of(array);
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      const bool goes = (mask >> axis & 1u) != 0;
      Shape& part = goes ? gone : kept;
      (goes ? gone_strides : kept_strides)[part.rank] = own[axis];
      part.size[part.rank++] = shape.size[axis];
    }
  }

  /// Calls reduce(first, to) for each output, in C order: the place of its first element.
  template <class Reduce>
  void each_output(Reduce&& reduce) const noexcept {
    const Walk<1> walk(kept, {kept_strides});
    uint64_t to = 0;
    walk.each([&](const auto& offset, uint64_t count, const auto& step) {
      for (uint64_t i = 0; i < count; ++i) {
        reduce(offset[0] + static_cast<int64_t>(i) * step[0], to++);
      }
    });
  }

  /// Calls see(place) for each element that an output reduces, in C order.
  template <class See>
  void each_element(int64_t first, See&& see) const noexcept {
    const Walk<1> walk(gone, {gone_strides});
    walk.each([&](const auto& offset, uint64_t count, const auto& step) {
      for (uint64_t i = 0; i < count; ++i) {
        see(first + offset[0] + static_cast<int64_t>(i) * step[0]);
      }
    });
  }
};

Shape without(const Shape& shape, uint32_t mask, bool keep) noexcept {
  Shape left;
  for (uint32_t axis = 0; axis < shape.rank; ++axis) {
    const bool goes = (mask >> axis & 1u) != 0;
    if (goes && !keep) continue;
    left.size[left.rank++] = goes ? 1 : shape.size[axis];
  }
  return left;
}

/// Sums and products of integers wrap.
template <class T>
T plus(T a, T b) noexcept {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  } else {
    return a + b;
  }
}
template <class T>
T times(T a, T b) noexcept {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  } else {
    return a * b;
  }
}

/// Sixteen sums dealt to in turn, folded by halves.
template <class T>
struct LaneSum {
  std::array<T, 16> lanes{};
  uint64_t next = 0;

  void add(T value) noexcept {
    T& lane = lanes[next++ % lanes.size()];
    lane = plus(lane, value);
  }
  [[nodiscard]] T total() const noexcept {
    std::array<T, 16> sums = lanes;
    for (std::size_t half = 8; half != 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) sums[i] = plus(sums[i], sums[i + half]);
    }
    return sums[0];
  }
};

template <class T>
bool is_nan(T value) noexcept {
  return value != value;
}

template <class T>
T lowest() noexcept {
  if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}
template <class T>
T highest() noexcept {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::max();
}

class ReduceNode final : public Node {
 public:
  explicit ReduceNode(const Source& source) noexcept
      : attributes_(source.attributes<cordwood_reduce_attributes>()) {
    const uint32_t rank = source.input(0).rank;
    over_space_ = rank > 2 && attributes_.axes == (1u << rank) - 4;
  }

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint8_t dtype = inputs[0].dtype;
    const bool truth =
        attributes_.kind == CORDWOOD_REDUCE_ANY || attributes_.kind == CORDWOOD_REDUCE_ALL;
    const bool floats = dtype == CORDWOOD_DTYPE_FLOAT32 || dtype == CORDWOOD_DTYPE_FLOAT64;
    const bool mean = attributes_.kind == CORDWOOD_REDUCE_MEAN;
    const bool narrow = attributes_.kind == CORDWOOD_REDUCE_LOG_SUM_EXP;
    if (outputs[0].dtype != dtype || (dtype == CORDWOOD_DTYPE_BIT) != truth || (mean && !floats) ||
        (narrow && dtype != CORDWOOD_DTYPE_FLOAT32) || !with_type(dtype, [](auto) {})) {
      return misfit("reduce", "kind {} of type {} to {}, expected one type that it takes",
                    attributes_.kind, dtype, outputs[0].dtype);
    }
    outputs[0].shape = without(inputs[0].shape, attributes_.axes, attributes_.keep_axes != 0);
    return {};
  }

  [[nodiscard]] Order order(uint32_t operand) const noexcept override {
    return operand == 0 ? Order::either : Order::declared;
  }
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm>) const noexcept override {
    return (attributes_.axes & 1u) == 0;
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    const Array& out = call.outputs[0];
    if (attributes_.kind == CORDWOOD_REDUCE_LOG_SUM_EXP) return log_sum_exp(call), Status{};
    if (x.channels_last && over_space_ && attributes_.kind <= CORDWOOD_REDUCE_MEAN) {
      add_space(x, out.as<float>());
      return {};
    }
    with_type(x.form.dtype, [&]<class T>(T) {
      if constexpr (std::is_same_v<T, Bool>) {
        reduce<uint8_t>(x, out);
      } else {
        reduce<T>(x, out);
      }
    });
    return {};
  }

 private:
  template <class T>
  void reduce(const Array& x, const Array& out) const noexcept {
    const T* from = x.as<const T>();
    T* to = out.as<T>();
    const Axes axes(x, attributes_.axes);
    const uint64_t count = axes.gone.elements();
    const auto fold = [&](T start, auto step) {
      axes.each_output([&](int64_t first, uint64_t place) {
        T value = start;
        axes.each_element(first, [&](int64_t at) { value = step(value, from[at]); });
        to[place] = value;
      });
    };
    switch (attributes_.kind) {
      case CORDWOOD_REDUCE_MAX:
        return fold(lowest<T>(), [](T a, T b) { return is_nan(a) || a > b ? a : b; });
      case CORDWOOD_REDUCE_MIN:
        return fold(highest<T>(), [](T a, T b) { return is_nan(a) || a < b ? a : b; });
      case CORDWOOD_REDUCE_PRODUCT:
        return fold(T{1}, [](T a, T b) { return times(a, b); });
      case CORDWOOD_REDUCE_ANY:
        return fold(T{0}, [](T a, T b) { return a != T{0} || b != T{0} ? T{1} : T{0}; });
      case CORDWOOD_REDUCE_ALL:
        return fold(T{1}, [](T a, T b) { return a != T{0} && b != T{0} ? T{1} : T{0}; });
      default:
        break;
    }
    const bool square = attributes_.kind == CORDWOOD_REDUCE_SUM_SQUARE;
    const bool mean = attributes_.kind == CORDWOOD_REDUCE_MEAN;
    axes.each_output([&](int64_t first, uint64_t place) {
      LaneSum<T> sum;
      axes.each_element(
          first, [&](int64_t at) { sum.add(square ? times(from[at], from[at]) : from[at]); });
      to[place] = mean ? static_cast<T>(sum.total() / static_cast<T>(count)) : sum.total();
    });
  }

  /// max + log(sum(exp(x - max))); the exponentials are taken by the row's kernel, a few at a time. An
  /// infinite maximum is not subtracted: it would make NaN of itself.
  void log_sum_exp(const NodeCall& call) const noexcept {
    const float* from = call.inputs[0].as<const float>();
    float* to = call.outputs[0].as<float>();
    const Axes axes(call.inputs[0], attributes_.axes);
    std::array<float, 256> some;
    const auto unary = [&](uint32_t kind, uint64_t count) {
      call.kernels.unary_f32({.x = some.data(), .out = some.data(), .n = count, .kind = kind});
    };
    axes.each_output([&](int64_t first, uint64_t place) {
      float most = lowest<float>();
      axes.each_element(
          first, [&](int64_t at) { most = is_nan(most) || most > from[at] ? most : from[at]; });
      const float base = std::isinf(most) ? 0.0f : most;
      LaneSum<float> sum;
      uint64_t held = 0;
      const auto add = [&] {
        unary(CORDWOOD_UNARY_EXP, held);
        for (uint64_t i = 0; i < held; ++i) sum.add(some[i]);
        held = 0;
      };
      axes.each_element(first, [&](int64_t at) {
        some[held++] = from[at] - base;
        if (held == some.size()) add();
      });
      add();
      some[0] = sum.total();
      unary(CORDWOOD_UNARY_LOG, 1);
      to[place] = base + some[0];
    });
  }

  /// Sums or means over all positions of images with channels last: the lane sums of several channels
  /// side by side.
  void add_space(const Array& x, float* out) const noexcept {
    const Shape& shape = x.shape();
    const uint64_t channels = shape.size[1];
    const uint64_t positions = shape.elements(2, shape.rank);
    const bool mean = attributes_.kind == CORDWOOD_REDUCE_MEAN;
    const auto* from = x.as<const float>();
    for (uint64_t image = 0; image < shape.size[0]; ++image, from += positions * channels) {
      for (uint64_t first = 0; first < channels; first += kSideChannels) {
        const uint64_t n = std::min(kSideChannels, channels - first);
        std::array<std::array<float, kSideChannels>, 16> lanes{};
        for (uint64_t at = 0; at < positions; ++at) {
          auto& lane = lanes[at % lanes.size()];
          const float* row = from + at * channels + first;
          for (uint64_t i = 0; i < n; ++i) lane[i] += row[i];
        }
        for (std::size_t half = 8; half != 0; half /= 2) {
          for (std::size_t lane = 0; lane < half; ++lane) {
            for (uint64_t i = 0; i < n; ++i) lanes[lane][i] += lanes[lane + half][i];
          }
        }
        for (uint64_t i = 0; i < n; ++i) {
          *out++ = mean ? lanes[0][i] / static_cast<float>(positions) : lanes[0][i];
        }
      }
    }
  }

  static constexpr uint64_t kSideChannels = 16;

  cordwood_reduce_attributes attributes_;
  bool over_space_ = false;
};

class ArgReduceNode final : public Node {
 public:
  explicit ArgReduceNode(const cordwood_arg_reduce_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const bool typed = with_type(inputs[0].dtype, [](auto) {});
    if (!typed || outputs[0].dtype != CORDWOOD_DTYPE_INT64 ||
        inputs[0].shape.size[attributes_.axis] == 0) {
      return misfit("arg_reduce", "{} entries of type {} to type {}, expected some, to int64",
                    inputs[0].shape.size[attributes_.axis], inputs[0].dtype, outputs[0].dtype);
    }
    outputs[0].shape = without(inputs[0].shape, 1u << attributes_.axis, attributes_.keep_axes != 0);
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    int64_t* to = call.outputs[0].as<int64_t>();
    const Axes axes(x, 1u << attributes_.axis);
    with_type(x.form.dtype, [&]<class T>(T) {
      const T* from = x.as<const T>();
      axes.each_output([&](int64_t first, uint64_t place) {
        int64_t best = 0;
        int64_t next = 0;
        T value = from[first];
        axes.each_element(first, [&](int64_t at) {
          const bool better = attributes_.kind == 0 ? from[at] > value : from[at] < value;
          if (better || (is_nan(from[at]) && !is_nan(value))) {
            value = from[at];
            best = next;
          }
          ++next;
        });
        to[place] = best;
      });
    });
    return {};
  }

 private:
  cordwood_arg_reduce_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_reduction(const Source& source) {
  if (source.op.opcode == CORDWOOD_OP_ARG_REDUCE) {
    return NodePointer(
        std::make_unique<ArgReduceNode>(source.attributes<cordwood_arg_reduce_attributes>()));
  }
  return NodePointer(std::make_unique<ReduceNode>(source));
}

}  // namespace cordwood::runtime
