// attention and matmul: products of activations with activations.
#include <algorithm>

#include "runtime/attention_run.hpp"
#include "runtime/matmul_run.hpp"
#include "runtime/nets/node.hpp"
#include "runtime/nets/strides.hpp"

namespace cordwood::runtime {
namespace {

/// Inputs of a head whose products of 8-bit codes fit an int32.
constexpr uint64_t kMostCodedInputs = 65536;

/// Sizes of one operand of attention, however its axes stand.
struct Heads {
  uint64_t batch;
  uint64_t heads;
  uint64_t rows;
  uint64_t columns;
  HeadSteps steps;

  Heads(const Shape& shape, bool heads_last) noexcept
      : batch(shape.size[0]),
        heads(shape.size[heads_last ? 2 : 1]),
        rows(shape.size[heads_last ? 1 : 2]),
        columns(shape.size[3]) {
    steps.batch = heads * rows * columns;
    steps.head = heads_last ? columns : rows * columns;
    steps.row = heads_last ? heads * columns : columns;
  }
};

class AttentionNode final : public Node {
 public:
  explicit AttentionNode(const cordwood_attention_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    for (std::size_t i = 0; i < 3; ++i) {
      if (inputs[i].dtype != CORDWOOD_DTYPE_FLOAT32 || inputs[i].shape.rank != 4) {
        return misfit("attention", "operand {} has type {} and {} axes, expected float32 and 4", i,
                      inputs[i].dtype, inputs[i].shape.rank);
      }
    }
    const auto* last = attributes_.heads_last;
    const Heads q(inputs[0].shape, last[0] != 0);
    const Heads k(inputs[1].shape, last[1] != 0);
    const Heads v(inputs[2].shape, last[2] != 0);
    if (k.batch != q.batch || v.batch != q.batch || v.heads != k.heads || v.rows != k.rows ||
        k.columns != q.columns || k.heads == 0 || q.heads % k.heads != 0) {
      return misfit("attention",
                    "{} heads of queries of {} columns, {} heads of keys of {}: do not fit",
                    q.heads, q.columns, k.heads, k.columns);
    }
    if (attributes_.rows == CORDWOOD_ROWS_INT8_DYNAMIC && q.columns > kMostCodedInputs) {
      return misfit("attention", "{} inputs of a head, expected at most {} where rows are coded",
                    q.columns, kMostCodedInputs);
    }
    Shape& shape = outputs[0].shape;
    shape.rank = 4;
    shape.size = {q.batch, last[3] != 0 ? q.rows : q.heads, last[3] != 0 ? q.heads : q.rows,
                  v.columns};
    if (inputs.size() < 4) return {};
    const Shape scores{.size = {q.batch, q.heads, q.rows, k.rows}, .rank = 4};
    Shape whole;
    const uint8_t type = inputs[3].dtype;
    if ((type != CORDWOOD_DTYPE_BIT && type != CORDWOOD_DTYPE_FLOAT32) ||
        !broadcast(inputs[3].shape, scores, whole) || whole != scores) {
      return misfit("attention", "a mask of type {} and {} elements for {} queries and {} keys",
                    type, inputs[3].shape.elements(), q.rows, k.rows);
    }
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const auto* last = attributes_.heads_last;
    const Heads q(call.inputs[0].shape(), last[0] != 0);
    const Heads k(call.inputs[1].shape(), last[1] != 0);
    const Heads v(call.inputs[2].shape(), last[2] != 0);
    const Heads out(call.outputs[0].shape(), last[3] != 0);
    AttentionCall attention{};
    attention.queries = call.inputs[0].as<const float>();
    attention.keys = call.inputs[1].as<const float>();
    attention.values = call.inputs[2].as<const float>();
    attention.out = call.outputs[0].as<float>();
    attention.query_steps = q.steps;
    attention.key_steps = k.steps;
    attention.value_steps = v.steps;
    attention.out_steps = out.steps;
    attention.n_batch = q.batch;
    attention.n_heads = q.heads;
    attention.n_kv_heads = k.heads;
    attention.n_queries = q.rows;
    attention.n_keys = k.rows;
    attention.n_inputs = q.columns;
    attention.n_columns = v.columns;
    attention.scale = attributes_.scale;
    attention.soft_cap = attributes_.soft_cap;
    attention.window = attributes_.window;
    attention.causal = attributes_.causal != 0;
    attention.coded = attributes_.rows == CORDWOOD_ROWS_INT8_DYNAMIC;
    attention.threads = call.threads;
    attention.mask_kind = kernels::AttentionMask::none;
    Result<const void*> mask = add_mask(call, q, k, attention);
    if (!mask) return mask.status();
    return run_attention(call.products.scratch, attention, call.kernels);
  }

  /// All operands have the batch as first axis, a mask only where it has all axes.
  [[nodiscard]] bool entry_wise(std::span<const ArrayForm> inputs) const noexcept override {
    return inputs.size() < 4 || inputs[3].shape.rank == 4;
  }

  /// A mask that repeats along keys is written out.
  [[nodiscard]] uint64_t scratch_bytes(std::span<const ArrayForm> inputs,
                                       std::span<const ArrayForm>) const noexcept override {
    if (inputs.size() < 4 || inputs[3].shape.last() != 1) return 0;
    const Heads k(inputs[1].shape, attributes_.heads_last[1] != 0);
    return inputs[3].bytes() * k.rows;
  }

 private:
  static Result<const void*> add_mask(const NodeCall& call, const Heads& q, const Heads& k,
                                      AttentionCall& attention) noexcept {
    if (call.inputs.size() < 4) return nullptr;
    const Array& mask = call.inputs[3];
    Shape shape = mask.shape();
    const void* data = mask.data;
    if (shape.last() == 1 && k.rows != 1) {
      data = spread(mask, k.rows, call.scratch);
      shape.rank = std::max(shape.rank, 1u);
      shape.size[shape.rank - 1] = k.rows;
    }
    const Shape scores{.size = {q.batch, q.heads, q.rows, k.rows}, .rank = 4};
    const Strides strides = broadcast_strides(shape, scores);
    attention.mask = data;
    attention.mask_kind = mask.form.dtype == CORDWOOD_DTYPE_BIT ? kernels::AttentionMask::flags
                                                                : kernels::AttentionMask::numbers;
    attention.mask_steps = {static_cast<uint64_t>(strides[0]), static_cast<uint64_t>(strides[1]),
                            static_cast<uint64_t>(strides[2])};
    return data;
  }

  static const void* spread(const Array& mask, uint64_t keys,
                            std::span<std::byte> scratch) noexcept {
    const uint64_t count = mask.shape().elements();
    const auto fill = [&]<class T>(T* to) {
      for (uint64_t i = 0; i < count; ++i) std::fill_n(to + i * keys, keys, mask.as<const T>()[i]);
    };
    if (mask.form.dtype == CORDWOOD_DTYPE_BIT) {
      fill(reinterpret_cast<uint8_t*>(scratch.data()));
    } else {
      fill(reinterpret_cast<float*>(scratch.data()));
    }
    return scratch.data();
  }

  cordwood_attention_attributes attributes_;
};

class MatmulNode final : public Node {
 public:
  explicit MatmulNode(const cordwood_matmul_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    Shape whole;
    const Matrices a(inputs[0].shape, attributes_.transpose_a != 0);
    const Matrices b(inputs[1].shape, attributes_.transpose_b != 0);
    const bool floats = inputs[0].dtype == CORDWOOD_DTYPE_FLOAT32 &&
                        inputs[1].dtype == CORDWOOD_DTYPE_FLOAT32 &&
                        outputs[0].dtype == CORDWOOD_DTYPE_FLOAT32;
    if (!floats || inputs[0].shape.rank < 2 || inputs[1].shape.rank < 2 || a.columns != b.rows ||
        !broadcast(a.batch, b.batch, whole)) {
      return misfit("matmul", "matrices of {} by {} and {} by {}: do not fit", a.rows, a.columns,
                    b.rows, b.columns);
    }
    outputs[0].shape = whole;
    outputs[0].shape.rank = whole.rank + 2;
    outputs[0].shape.size[whole.rank] = a.rows;
    outputs[0].shape.size[whole.rank + 1] = b.columns;
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Matrices a(call.inputs[0].shape(), attributes_.transpose_a != 0);
    const Matrices b(call.inputs[1].shape(), attributes_.transpose_b != 0);
    Shape whole = call.outputs[0].shape();
    whole.rank -= 2;
    const Strides a_strides = broadcast_strides(a.batch, whole);
    const Strides b_strides = broadcast_strides(b.batch, whole);
    std::array<BatchAxis, CORDWOOD_MAX_RANK> axes{};
    for (uint32_t axis = 0; axis < whole.rank; ++axis) {
      axes[axis] = {.size = whole.size[axis],
                    .a_step = static_cast<uint64_t>(a_strides[axis]) * a.rows * a.columns,
                    .b_step = static_cast<uint64_t>(b_strides[axis]) * b.rows * b.columns};
    }
    return run_matmul(call.products.scratch,
                      {.a = call.inputs[0].as<const float>(),
                       .b = call.inputs[1].as<const float>(),
                       .out = call.outputs[0].as<float>(),
                       .n_rows = a.rows,
                       .n_inner = a.columns,
                       .n_columns = b.columns,
                       .a_stride = call.inputs[0].shape().last(),
                       .b_stride = call.inputs[1].shape().last(),
                       .transpose_a = attributes_.transpose_a != 0,
                       .transpose_b = attributes_.transpose_b != 0,
                       .batch = {axes.data(), whole.rank},
                       .threads = call.threads},
                      call.kernels);
  }

 private:
  /// A stack of matrices: the last two axes, turned round where asked for.
  struct Matrices {
    Shape batch;
    uint64_t rows = 0;
    uint64_t columns = 0;

    Matrices(const Shape& shape, bool transposed) noexcept : batch(shape) {
      if (shape.rank < 2) return;
      batch.rank -= 2;
      rows = shape.size[shape.rank - (transposed ? 1 : 2)];
      columns = shape.size[shape.rank - (transposed ? 2 : 1)];
    }
  };

  cordwood_matmul_attributes attributes_;
};

}  // namespace

Result<NodePointer> make_attention(const Source& source) {
  return NodePointer(
      std::make_unique<AttentionNode>(source.attributes<cordwood_attention_attributes>()));
}

Result<NodePointer> make_matmul(const Source& source) {
  return NodePointer(std::make_unique<MatmulNode>(source.attributes<cordwood_matmul_attributes>()));
}

}  // namespace cordwood::runtime
