// linear: rows times a weight matrix, dense or sparse, with its bias, residual and activation.
#include "runtime/nets/product_parts.hpp"
#include "runtime/nets/tensor_numbers.hpp"

namespace cordwood::runtime {
namespace {

/// What follows a sum, of a product with weights of either form.
template <class End>
End end_of(const Ending& ending, const NodeCall& call, const AlignedVector<float>& bias,
           uint64_t n_outputs) noexcept {
  return {.out = call.outputs[0].as<float>(),
          .bias = bias.empty() ? nullptr : bias.data(),
          .residual = call.inputs.size() > 1 ? call.inputs[1].as<const float>() : nullptr,
          .out_stride = n_outputs,
          .residual_stride = n_outputs,
          .n_outputs = n_outputs,
          .low = ending.low,
          .high = ending.high,
          .cut = ending.cut};
}

/// `Plan` is how the weights lie: QmatmulPlan or SparsePlan. Answers are the same, bit for bit.
template <class Plan>
class LinearNode final : public Node {
 public:
  LinearNode(Plan plan, AlignedVector<float> bias,
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
    return multiply(call, plan_, call.inputs[0].shape().elements(0, rank_of(call) - 1));
  }

  [[nodiscard]] bool row_wise() const noexcept override { return true; }
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm> inputs) const noexcept override {
    return inputs[0].shape.rank >= 2;
  }
  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return plan_.n_bytes() + bias_.size() * sizeof(float);
  }

 private:
  static uint32_t rank_of(const NodeCall& call) noexcept { return call.inputs[0].shape().rank; }

  [[nodiscard]] RowSource rows_of(const NodeCall& call) const noexcept {
    return row_source(attributes_, call.inputs[0].as<const float>(), plan_.n_inputs());
  }

  Status multiply(const NodeCall& call, const QmatmulPlan& plan, uint64_t n_rows) const noexcept {
    const Ending ending(attributes_);
    return run_qmatmul(call.products, plan,
                       {.rows = rows_of(call),
                        .n_rows = n_rows,
                        .end = end_of<kernels::QmatmulEnd>(ending, call, bias_, plan.n_outputs()),
                        .answer = {},
                        .activation = ending.activation,
                        .float_rows = attributes_.rows == CORDWOOD_ROWS_FLOAT32,
                        .scale_group = attributes_.row_group,
                        .threads = call.threads,
                        .same_rows = call.same_input},
                       call.kernels);
  }

  Status multiply(const NodeCall& call, const SparsePlan& plan, uint64_t n_rows) const noexcept {
    call.products.at_hand.n_rows =
        0;  // codes of an earlier product's rows, perhaps from this memory
    const Ending ending(attributes_);
    return run_sparse(call.sparse, plan,
                      {.rows = rows_of(call),
                       .n_rows = n_rows,
                       .end = end_of<kernels::SparseEnd>(ending, call, bias_, plan.n_outputs()),
                       .answer = {},
                       .activation = ending.activation,
                       .threads = call.threads},
                      call.kernels);
  }

  Plan plan_;
  AlignedVector<float> bias_;
  cordwood_linear_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_linear(const Source& source) {
  const auto attributes = source.attributes<cordwood_linear_attributes>();
  CORDWOOD_RETURN_IF_FAILED(check_coding(source, attributes));
  Result<AlignedVector<float>> bias = optional_floats(source, 1);
  if (!bias) return bias.status();
  if (attributes.rows != CORDWOOD_ROWS_FLOAT32 && attributes.row_group == 0) {
    Result<std::optional<SparsePlan>> sparse = sparse_weights(source, 0);
    if (!sparse) return sparse.status();
    if (*sparse) {
      return NodePointer(std::make_unique<LinearNode<SparsePlan>>(std::move(**sparse),
                                                                  std::move(*bias), attributes));
    }
  }
  Result<QmatmulPlan> plan = product_weights(source, 0);
  if (!plan) return plan.status();
  return NodePointer(
      std::make_unique<LinearNode<QmatmulPlan>>(std::move(*plan), std::move(*bias), attributes));
}

}  // namespace cordwood::runtime
