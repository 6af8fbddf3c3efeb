// binary, compare, where, cast: element by element, shapes broadcast.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/power.hpp"
#include "runtime/nets/strides.hpp"

namespace cordwood::runtime {
namespace {

constexpr const char* kBroadcast = "{} and {} elements, whose shapes do not broadcast";

struct Add {
  template <class T>
  static T of(T a, T b) noexcept {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
    } else {
      return a + b;
    }
  }
};
struct Subtract {
  template <class T>
  static T of(T a, T b) noexcept {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
    } else {
      return a - b;
    }
  }
};
struct Multiply {
  template <class T>
  static T of(T a, T b) noexcept {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
    } else {
      return a * b;
    }
  }
};
struct Divide {
  template <class T>
  static T of(T a, T b) noexcept {
    return a / b;
  }
};
/// NaN wins, as docs/graph.md says; of zeros the second is taken, which compares equal.
struct Minimum {
  template <class T>
  static T of(T a, T b) noexcept {
    return a != a || a < b ? a : b;
  }
};
struct Maximum {
  template <class T>
  static T of(T a, T b) noexcept {
    return a != a || a > b ? a : b;
  }
};
struct FloorDivide {
  template <class T>
  static T of(T a, T b) noexcept {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return Subtract::of<T>(0, a);  // the lowest number wraps
        const T quotient = static_cast<T>(a / b);
        return static_cast<T>(quotient - (a % b != 0 && (a < 0) != (b < 0)));
      }
      return static_cast<T>(a / b);
    } else {
      return std::floor(a / b);
    }
  }
};
struct Remainder {
  template <class T>
  static T of(T a, T b) noexcept {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return 0;
        const T rest = static_cast<T>(a % b);
        return static_cast<T>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
      }
      return static_cast<T>(a % b);
    } else {
      const T rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
};
struct Power {
  static float of(float a, float b) noexcept { return power(a, b); }
};
struct And {
  template <class T>
  static T of(T a, T b) noexcept {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) noexcept {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) noexcept {
    return static_cast<T>(a ^ b);
  }
};

template <class Body>
bool with_binary(uint32_t kind, Body&& body) noexcept {
  switch (kind) {
    case CORDWOOD_BINARY_ADD:
      return body(Add{}), true;
    case CORDWOOD_BINARY_SUBTRACT:
      return body(Subtract{}), true;
    case CORDWOOD_BINARY_MULTIPLY:
      return body(Multiply{}), true;
    case CORDWOOD_BINARY_DIVIDE:
      return body(Divide{}), true;
    case CORDWOOD_BINARY_MINIMUM:
      return body(Minimum{}), true;
    case CORDWOOD_BINARY_MAXIMUM:
      return body(Maximum{}), true;
    case CORDWOOD_BINARY_REMAINDER:
      return body(Remainder{}), true;
    case CORDWOOD_BINARY_FLOOR_DIVIDE:
      return body(FloorDivide{}), true;
    case CORDWOOD_BINARY_POWER:
      return body(Power{}), true;
    case CORDWOOD_BINARY_AND:
      return body(And{}), true;
    case CORDWOOD_BINARY_OR:
      return body(Or{}), true;
    case CORDWOOD_BINARY_XOR:
      return body(Xor{}), true;
    default:
      return false;
  }
}

/// Whether an operation is defined for a type: bits are for integers and bools, division for floats, powers
/// for float32.
template <class Operation, class T>
constexpr bool kDefined = [] {
  constexpr bool bits = std::is_same_v<Operation, And> || std::is_same_v<Operation, Or> ||
                        std::is_same_v<Operation, Xor>;
  if constexpr (std::is_same_v<Operation, Power>) return std::is_same_v<T, float>;
  if constexpr (std::is_floating_point_v<T>) return !bits;
  return !std::is_same_v<Operation, Divide>;
}();

/// A bool is computed with as a byte: its bit operations stay within 0 and 1.
template <class T>
using Computed = std::conditional_t<std::is_same_v<T, Bool>, uint8_t, T>;

/// out[i] = operation(a[i], b[i]) along a run; steps are 0 or 1, or an axis' stride.
template <class Out, class T, class Operation>
void run_pairs(const T* a, const T* b, Out* out, uint64_t count, int64_t a_step, int64_t b_step,
               Operation operation) noexcept {
  const auto each = [&](auto first, auto second) {
    for (uint64_t i = 0; i < count; ++i) out[i] = operation(first(i), second(i));
  };
  const auto dense = [](const T* x) { return [x](uint64_t i) { return x[i]; }; };
  const auto same = [](const T* x) { return [value = *x](uint64_t) { return value; }; };
  const auto apart = [](const T* x, int64_t step) {
    return [x, step](uint64_t i) { return x[static_cast<int64_t>(i) * step]; };
  };
  if (a_step == 1 && b_step == 1) return each(dense(a), dense(b));
  if (a_step == 1 && b_step == 0) return each(dense(a), same(b));
  if (a_step == 0 && b_step == 1) return each(same(a), dense(b));
  each(apart(a, a_step), apart(b, b_step));
}

template <class T, class Out, class Operation>
void run_broadcast(const NodeCall& call, Operation operation) noexcept {
  const Array& a = call.inputs[0];
  const Array& b = call.inputs[1];
  const Array& out = call.outputs[0];
  const Walk<3> walk(out.shape(),
                     {broadcast_strides(a.shape(), out.shape()),
                      broadcast_strides(b.shape(), out.shape()), c_strides(out.shape())});
  walk.each([&](const auto& offset, uint64_t count, const auto& step) {
    run_pairs(a.as<const T>() + offset[0], b.as<const T>() + offset[1], out.as<Out>() + offset[2],
              count, step[0], step[1], operation);
  });
}

class BinaryNode final : public Node {
 public:
  explicit BinaryNode(uint32_t kind) noexcept : kind_(kind) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint8_t dtype = inputs[0].dtype;
    bool defined = false;
    with_type(dtype, [&]<class T>(T) {
      with_binary(kind_, [&]<class Operation>(Operation) { defined = kDefined<Operation, T>; });
      if (std::is_same_v<T, Bool> && kind_ < CORDWOOD_BINARY_AND) {
        defined = kind_ == CORDWOOD_BINARY_MINIMUM || kind_ == CORDWOOD_BINARY_MAXIMUM;
      }
    });
    if (!defined || inputs[1].dtype != dtype || outputs[0].dtype != dtype) {
      return misfit("binary", "kind {} of types {} and {} to {}, expected one type that it takes",
                    kind_, dtype, inputs[1].dtype, outputs[0].dtype);
    }
    if (broadcast(inputs[0].shape, inputs[1].shape, outputs[0].shape)) return {};
    return misfit("binary", kBroadcast, inputs[0].shape.elements(), inputs[1].shape.elements());
  }

  Status run(const NodeCall& call) const noexcept override {
    with_type(call.inputs[0].form.dtype, [&]<class T>(T) {
      with_binary(kind_, [&]<class Operation>(Operation) {
        using Number = Computed<T>;
        if constexpr (kDefined<Operation, Number>) {
          run_broadcast<Number, Number>(call,
                                        [](Number a, Number b) { return Operation::of(a, b); });
        }
      });
    });
    return {};
  }

 private:
  uint32_t kind_;
};

class CompareNode final : public Node {
 public:
  explicit CompareNode(uint32_t kind) noexcept : kind_(kind) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const bool typed = with_type(inputs[0].dtype, [](auto) {});
    if (!typed || inputs[1].dtype != inputs[0].dtype || outputs[0].dtype != CORDWOOD_DTYPE_BIT) {
      return misfit("compare", "types {} and {} to {}, expected one type, and bool",
                    inputs[0].dtype, inputs[1].dtype, outputs[0].dtype);
    }
    if (broadcast(inputs[0].shape, inputs[1].shape, outputs[0].shape)) return {};
    return misfit("compare", kBroadcast, inputs[0].shape.elements(), inputs[1].shape.elements());
  }

  Status run(const NodeCall& call) const noexcept override {
    with_type(call.inputs[0].form.dtype, [&]<class T>(T) {
      using Number = Computed<T>;
      const auto with = [&](auto test) {
        run_broadcast<Number, uint8_t>(
            call, [test](Number a, Number b) { return static_cast<uint8_t>(test(a, b)); });
      };
      switch (kind_) {
        case CORDWOOD_COMPARE_EQUAL:
          return with([](Number a, Number b) { return a == b; });
        case CORDWOOD_COMPARE_NOT_EQUAL:
          return with([](Number a, Number b) { return a != b; });
        case CORDWOOD_COMPARE_LESS:
          return with([](Number a, Number b) { return a < b; });
        case CORDWOOD_COMPARE_LESS_EQUAL:
          return with([](Number a, Number b) { return a <= b; });
        case CORDWOOD_COMPARE_GREATER:
          return with([](Number a, Number b) { return a > b; });
        default:  // CORDWOOD_COMPARE_GREATER_EQUAL
          return with([](Number a, Number b) { return a >= b; });
      }
    });
    return {};
  }

 private:
  uint32_t kind_;
};

class WhereNode final : public Node {
 public:
  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const uint8_t dtype = outputs[0].dtype;
    if (inputs[0].dtype != CORDWOOD_DTYPE_BIT || inputs[1].dtype != dtype ||
        inputs[2].dtype != dtype) {
      return misfit("where", "types {}, {} and {} to {}, expected bool and one type",
                    inputs[0].dtype, inputs[1].dtype, inputs[2].dtype, dtype);
    }
    Shape both;
    if (broadcast(inputs[1].shape, inputs[2].shape, both) &&
        broadcast(inputs[0].shape, both, outputs[0].shape)) {
      return {};
    }
    return misfit("where", "{}, {} and {} elements, whose shapes do not broadcast",
                  inputs[0].shape.elements(), inputs[1].shape.elements(),
                  inputs[2].shape.elements());
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& out = call.outputs[0];
    const auto strides = [&](std::size_t input) {
      return broadcast_strides(call.inputs[input].shape(), out.shape());
    };
    const Walk<4> walk(out.shape(), {strides(0), strides(1), strides(2), c_strides(out.shape())});
    with_width(out.form.dtype, [&]<class T>(T) {
      walk.each([&](const auto& offset, uint64_t count, const auto& step) {
        const uint8_t* truth = call.inputs[0].as<const uint8_t>() + offset[0];
        const T* yes = call.inputs[1].as<const T>() + offset[1];
        const T* no = call.inputs[2].as<const T>() + offset[2];
        T* to = out.as<T>() + offset[3];
        for (uint64_t i = 0; i < count; ++i) {
          const auto at = static_cast<int64_t>(i);
          to[i] = truth[at * step[0]] != 0 ? yes[at * step[1]] : no[at * step[2]];
        }
      });
    });
    return {};
  }
};

class CastNode final : public Node {
 public:
  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    for (const uint8_t dtype : {inputs[0].dtype, outputs[0].dtype}) {
      if (!with_type(dtype, [](auto) {})) return no_such_type("cast", dtype);
    }
    outputs[0].shape = inputs[0].shape;
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    const Array& out = call.outputs[0];
    const uint64_t count = x.shape().elements();
    with_type(x.form.dtype, [&]<class From>(From) {
      with_type(out.form.dtype, [&]<class To>(To) {
        const From* from = x.as<const From>();
        To* to = out.as<To>();
        for (uint64_t i = 0; i < count; ++i) to[i] = convert<To>(from[i]);
      });
    });
    return {};
  }
};

}  // namespace

Result<NodePointer> make_elementwise(const Source& source) {
  switch (source.op.opcode) {
    case CORDWOOD_OP_BINARY: {
      const uint32_t kind = source.attributes<cordwood_kind_attributes>().kind;
      if (!with_binary(kind, [](auto) {})) {
        return fail(CORDWOOD_STATUS_operator_unknown, "binary", "kind {} is none that it runs",
                    kind);
      }
      return NodePointer(std::make_unique<BinaryNode>(kind));
    }
    case CORDWOOD_OP_COMPARE:
      return NodePointer(
          std::make_unique<CompareNode>(source.attributes<cordwood_kind_attributes>().kind));
    case CORDWOOD_OP_WHERE:
      return NodePointer(std::make_unique<WhereNode>());
    default:  // CORDWOOD_OP_CAST
      return NodePointer(std::make_unique<CastNode>());
  }
}

}  // namespace cordwood::runtime
