// linear: rows times a weight matrix, with its bias, residual and activation.
#include "runtime/nets/product_parts.hpp"
#include "runtime/nets/tensor_numbers.hpp"

namespace cordwood::runtime {
namespace {

class LinearNode final : public Node {
 public:
  LinearNode(QmatmulPlan plan, AlignedVector<float> bias,
             const cordwood_linear_attributes& attributes) noexcept
      : plan_(std::move(plan)), bias_(std::move(bias)), attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const ArrayForm& x = inputs[0];
    if (x.dtype != CORDWOOD_DTYPE_FLOAT32 || x.shape.rank == 0 ||
        x.shape.last() != plan_.n_inputs()) {
      return misfit("linear",
                    "an input of type {}, {} axes and {} columns, expected float32 and {}", x.dtype,
                    x.shape.rank, x.shape.last(), plan_.n_inputs());
    }
    outputs[0].shape = x.shape;
    outputs[0].shape.size[x.shape.rank - 1] = plan_.n_outputs();
    if (inputs.size() > 1 && inputs[1] != outputs[0]) {
      return misfit("linear", "a residual of {} elements, expected the output's shape",
                    inputs[1].shape.elements());
    }
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& x = call.inputs[0];
    const uint64_t n_rows = x.shape().elements(0, x.shape().rank - 1);
    const Ending ending(attributes_);
    return run_qmatmul(
        call.products, plan_,
        {.rows = row_source(attributes_, x.as<const float>(), plan_.n_inputs()),
         .n_rows = n_rows,
         .end = {.out = call.outputs[0].as<float>(),
                 .bias = bias_.empty() ? nullptr : bias_.data(),
                 .residual = call.inputs.size() > 1 ? call.inputs[1].as<const float>() : nullptr,
                 .out_stride = plan_.n_outputs(),
                 .residual_stride = plan_.n_outputs(),
                 .n_outputs = plan_.n_outputs(),
                 .low = ending.low,
                 .high = ending.high,
                 .cut = ending.cut},
         .answer = {},
         .activation = ending.activation,
         .float_rows = attributes_.rows == CORDWOOD_ROWS_FLOAT32,
         .scale_group = attributes_.row_group,
         .threads = call.threads},
        call.kernels);
  }

  [[nodiscard]] bool row_wise() const noexcept override { return true; }
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm> inputs) const noexcept override {
    return inputs[0].shape.rank >= 2;
  }
  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return plan_.n_bytes() + bias_.size() * sizeof(float);
  }

 private:
  QmatmulPlan plan_;
  AlignedVector<float> bias_;
  cordwood_linear_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_linear(const Source& source) {
  const auto attributes = source.attributes<cordwood_linear_attributes>();
  CORDWOOD_RETURN_IF_FAILED(check_coding(source, attributes));
  Result<QmatmulPlan> plan = product_weights(source, 0);
  if (!plan) return plan.status();
  Result<AlignedVector<float>> bias = optional_floats(source, 1);
  if (!bias) return bias.status();
  return NodePointer(std::make_unique<LinearNode>(std::move(*plan), std::move(*bias), attributes));
}

}  // namespace cordwood::runtime
