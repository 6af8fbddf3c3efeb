// lstm and gru: what x brings to all steps is one product; then step after step, a product of h and the
// gates (docs/graph.md, operators 44 and 45).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "runtime/memory.hpp"
#include "runtime/nets/product_parts.hpp"
#include "runtime/nets/tensor_numbers.hpp"

namespace cordwood::runtime {
namespace {

/// One direction's parameters.
struct Direction {
  QmatmulPlan weight_x;
  QmatmulPlan weight_h;
  AlignedVector<float> bias_x;
  AlignedVector<float> bias_h;  ///< of gru
};

struct Sizes {
  uint64_t batch;
  uint64_t steps;
  uint64_t hidden;
  uint64_t gates;  ///< times hidden

  [[nodiscard]] uint64_t x_floats() const noexcept { return batch * steps * gates; }
  [[nodiscard]] uint64_t state_floats() const noexcept { return batch * hidden; }
};

/// Places in scratch.
struct Room {
  float* from_x;  ///< [batch][step][gate][hidden]
  float* from_h;  ///< [batch][gate][hidden]
  float* h;       ///< [batch][hidden]
  float* c;
  float* part;

  Room(float* first, const Sizes& sizes) noexcept
      : from_x(first),
        from_h(from_x + sizes.x_floats()),
        h(from_h + sizes.batch * sizes.gates),
        c(h + sizes.state_floats()),
        part(c + sizes.state_floats()) {}
  static uint64_t bytes(const Sizes& sizes) noexcept {
    return (sizes.x_floats() + sizes.batch * sizes.gates + 3 * sizes.state_floats()) *
           sizeof(float);
  }
};

class RecurrenceNode final : public Node {
 public:
  RecurrenceNode(std::vector<Direction> directions, bool is_lstm,
                 const cordwood_recurrence_attributes& attributes) noexcept
      : directions_(std::move(directions)), is_lstm_(is_lstm), attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& x = inputs[0].shape;
    const uint64_t hidden = directions_[0].weight_h.n_inputs();
    if (inputs[0].dtype != CORDWOOD_DTYPE_FLOAT32 || x.rank != 3 ||
        x.size[2] != directions_[0].weight_x.n_inputs()) {
      return misfit("recurrence", "an input of {} axes and {} columns, expected 3 and {}", x.rank,
                    x.last(), directions_[0].weight_x.n_inputs());
    }
    const Shape state{.size = {directions_.size(), x.size[0], hidden}, .rank = 3};
    outputs[0].shape = {.size = {x.size[0], x.size[1], directions_.size() * hidden}, .rank = 3};
    for (std::size_t i = 1; i < outputs.size(); ++i) outputs[i].shape = state;
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i].dtype != CORDWOOD_DTYPE_FLOAT32 || inputs[i].shape != state) {
        return misfit("recurrence", "an initial state of {} elements, expected {}",
                      inputs[i].shape.elements(), state.elements());
      }
    }
    return {};
  }

  [[nodiscard]] uint64_t scratch_bytes(std::span<const ArrayForm> inputs,
                                       std::span<const ArrayForm>) const noexcept override {
    return Room::bytes(sizes_of(inputs[0].shape));
  }

  Status run(const NodeCall& call) const noexcept override {
    const Sizes sizes = sizes_of(call.inputs[0].shape());
    const Room room(reinterpret_cast<float*>(call.scratch.data()), sizes);
    for (std::size_t at = 0; at < directions_.size(); ++at) {
      start(call, sizes, at, room);
      CORDWOOD_RETURN_IF_FAILED(run_direction(call, sizes, at, room));
      const uint64_t place = at * sizes.state_floats();
      copy(call.outputs[1].as<float>() + place, room.h, sizes.state_floats());
      if (is_lstm_) copy(call.outputs[2].as<float>() + place, room.c, sizes.state_floats());
    }
    return {};
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    uint64_t bytes = 0;
    for (const Direction& direction : directions_) {
      bytes += direction.weight_x.n_bytes() + direction.weight_h.n_bytes();
    }
    return bytes;
  }

 private:
  [[nodiscard]] Sizes sizes_of(const Shape& x) const noexcept {
    const uint64_t hidden = directions_[0].weight_h.n_inputs();
    return {x.size[0], x.size[1], hidden, (is_lstm_ ? 4 : 3) * hidden};
  }

  static void copy(float* to, const float* from, uint64_t count) noexcept {
    if (count != 0) std::memcpy(to, from, count * sizeof(float));
  }

  static void start(const NodeCall& call, const Sizes& sizes, std::size_t at,
                    const Room& room) noexcept {
    const uint64_t count = sizes.state_floats();
    float* states[] = {room.h, room.c};
    for (std::size_t i = 0; i < 2; ++i) {
      if (i + 1 < call.inputs.size()) {
        copy(states[i], call.inputs[i + 1].as<const float>() + at * count, count);
      } else {
        std::fill_n(states[i], count, 0.0f);
      }
    }
  }

  Status run_direction(const NodeCall& call, const Sizes& sizes, std::size_t at,
                       const Room& room) const noexcept {
    const Direction& direction = directions_[at];
    CORDWOOD_RETURN_IF_FAILED(multiply(
        call, direction.weight_x, row_source(attributes_.product, x_of(call), sizes_x(call)),
        sizes.batch * sizes.steps, direction.bias_x, {}, room.from_x, false));
    const bool backward = attributes_.direction == CORDWOOD_DIRECTION_REVERSE || at == 1;
    const uint64_t width = directions_.size() * sizes.hidden;
    float* all = call.outputs[0].as<float>() + at * sizes.hidden;
    for (uint64_t done = 0; done < sizes.steps; ++done) {
      const uint64_t step = backward ? sizes.steps - 1 - done : done;
      RowSource h;
      h.x = room.h;
      h.stride = sizes.hidden;
      const Residual given{is_lstm_ ? room.from_x + step * sizes.gates : nullptr,
                           sizes.steps * sizes.gates};
      CORDWOOD_RETURN_IF_FAILED(multiply(call, direction.weight_h, h, sizes.batch, direction.bias_h,
                                         given, room.from_h, true));
      for (uint64_t row = 0; row < sizes.batch; ++row) {
        float* gates = room.from_h + row * sizes.gates;
        float* state = room.h + row * sizes.hidden;
        if (is_lstm_) {
          step_lstm(call.kernels, gates, state, room.c + row * sizes.hidden, room.part,
                    sizes.hidden);
        } else {
          step_gru(call.kernels, room.from_x + (row * sizes.steps + step) * sizes.gates, gates,
                   state, sizes.hidden);
        }
        copy(all + (row * sizes.steps + step) * width, state, sizes.hidden);
      }
    }
    return {};
  }

  static const float* x_of(const NodeCall& call) noexcept {
    return call.inputs[0].as<const float>();
  }
  static uint64_t sizes_x(const NodeCall& call) noexcept { return call.inputs[0].shape().last(); }

  struct Residual {
    const float* first = nullptr;
    uint64_t stride = 0;
  };

  /// `of_state`: h stays float32, whatever the coding of x.
  Status multiply(const NodeCall& call, const QmatmulPlan& plan, const RowSource& rows,
                  uint64_t n_rows, const AlignedVector<float>& bias, const Residual& residual,
                  float* out, bool of_state) const noexcept {
    return run_qmatmul(call.products, plan,
                       {.rows = rows,
                        .n_rows = n_rows,
                        .end = {.out = out,
                                .bias = bias.empty() ? nullptr : bias.data(),
                                .residual = residual.first,
                                .out_stride = plan.n_outputs(),
                                .residual_stride = residual.stride,
                                .n_outputs = plan.n_outputs(),
                                .low = 0.0f,
                                .high = 0.0f,
                                .cut = 0},
                        .answer = {},
                        .activation = {},
                        .float_rows = of_state || attributes_.product.rows == CORDWOOD_ROWS_FLOAT32,
                        .bf16_rows = false,
                        .scale_group = of_state ? 0u : attributes_.product.row_group,
                        .threads = call.threads},
                       call.kernels);
  }

  static void activate(const ArrayKernels& kernels, uint32_t kind, const float* x, float* out,
                       uint64_t n) noexcept {
    kernels.activate_f32(
        {.x = x, .out = out, .slopes = nullptr, .n = n, .kind = kind, .alpha = 0.0f, .beta = 0.0f});
  }

  /// Gates in the order input, forget, cell, output.
  static void step_lstm(const ArrayKernels& kernels, float* gates, float* h, float* c, float* part,
                        uint64_t hidden) noexcept {
    float* cell = gates + 2 * hidden;
    float* output = gates + 3 * hidden;
    activate(kernels, CORDWOOD_ACTIVATION_SIGMOID, gates, gates, 2 * hidden);
    activate(kernels, CORDWOOD_ACTIVATION_TANH, cell, cell, hidden);
    activate(kernels, CORDWOOD_ACTIVATION_SIGMOID, output, output, hidden);
    for (uint64_t i = 0; i < hidden; ++i) {
      c[i] = std::fma(gates[hidden + i], c[i], gates[i] * cell[i]);
    }
    activate(kernels, CORDWOOD_ACTIVATION_TANH, c, part, hidden);
    for (uint64_t i = 0; i < hidden; ++i) h[i] = output[i] * part[i];
  }

  /// Gates in the order reset, update, new; `a` is what x brings, `b` what h does.
  static void step_gru(const ArrayKernels& kernels, const float* a, float* b, float* h,
                       uint64_t hidden) noexcept {
    for (uint64_t i = 0; i < 2 * hidden; ++i) b[i] = a[i] + b[i];
    activate(kernels, CORDWOOD_ACTIVATION_SIGMOID, b, b, 2 * hidden);
    float* fresh = b + 2 * hidden;
    for (uint64_t i = 0; i < hidden; ++i) fresh[i] = a[2 * hidden + i] + b[i] * fresh[i];
    activate(kernels, CORDWOOD_ACTIVATION_TANH, fresh, fresh, hidden);
    for (uint64_t i = 0; i < hidden; ++i) {
      h[i] = std::fma(b[hidden + i], h[i] - fresh[i], fresh[i]);
    }
  }

  std::vector<Direction> directions_;
  bool is_lstm_;
  cordwood_recurrence_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_recurrence(const Source& source) {
  const auto attributes = source.attributes<cordwood_recurrence_attributes>();
  CORDWOOD_RETURN_IF_FAILED(check_coding(source, attributes.product));
  const bool is_lstm = source.op.opcode == CORDWOOD_OP_LSTM;
  const uint32_t tensors = is_lstm ? 3 : 4;
  std::vector<Direction> directions;
  for (uint32_t first = 0; first < source.op.tensor_count; first += tensors) {
    Result<QmatmulPlan> weight_x = product_weights(source, first);
    if (!weight_x) return weight_x.status();
    Result<QmatmulPlan> weight_h = product_weights(source, first + 1);
    if (!weight_h) return weight_h.status();
    Result<AlignedVector<float>> bias_x = optional_floats(source, first + 2);
    if (!bias_x) return bias_x.status();
    Result<AlignedVector<float>> bias_h =
        is_lstm ? AlignedVector<float>{} : optional_floats(source, first + 3);
    if (!bias_h) return bias_h.status();
    directions.push_back({.weight_x = std::move(*weight_x),
                          .weight_h = std::move(*weight_h),
                          .bias_x = std::move(*bias_x),
                          .bias_h = std::move(*bias_h)});
  }
  return NodePointer(std::make_unique<RecurrenceNode>(std::move(directions), is_lstm, attributes));
}

}  // namespace cordwood::runtime
