// One operator of a net made ready: it says what shapes its outputs have, and runs.
#pragma once

#include <memory>
#include <span>

#include "base/result.hpp"
#include "runtime/conv_run.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/nets/array.hpp"
#include "runtime/qmatmul_run.hpp"
#include "runtime/sparse_run.hpp"

namespace cordwood::runtime {

/// What a node runs on. Arrays have the forms that `infer` was given and gave.
struct NodeCall {
  std::span<const Array> inputs;
  std::span<const Array> outputs;
  std::span<std::byte> scratch;  ///< `scratch_bytes`, aligned to a cache line
  QmatmulContext& products;
  SparseContext& sparse;
  ConvContext& images;
  const ArrayKernels& kernels;
  unsigned threads;
  bool same_input = false;  ///< the product before this step read the same first input
};

/// How an operand may lie.
enum class Order : uint8_t {
  declared,  ///< in C order of its shape
  either,    ///< channels last as well
  alike      ///< channels last as well, where all operands that say so are
};

class Node {
 public:
  Node() noexcept = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  /// Shapes of the outputs, whose types are given. Fails, in words, where inputs do not fit.
  virtual Status infer(std::span<const ArrayForm> inputs,
                       std::span<ArrayForm> outputs) const noexcept = 0;

  virtual Status run(const NodeCall& call) const noexcept = 0;

  /// Scratch that a run of these forms needs.
  [[nodiscard]] virtual uint64_t scratch_bytes(std::span<const ArrayForm>,
                                               std::span<const ArrayForm>) const noexcept {
    return 0;
  }
  /// The output is the first input's memory under another shape; `run` does nothing.
  [[nodiscard]] virtual bool shares_input() const noexcept { return false; }
  /// The output's memory where it is the same in every run; then `run` is not called.
  [[nodiscard]] virtual const std::byte* constant() const noexcept { return nullptr; }
  /// Whether this input is there for its shape alone.
  [[nodiscard]] virtual bool reads_shape_only(uint32_t) const noexcept { return false; }
  /// How an operand, inputs before outputs, may lie.
  [[nodiscard]] virtual Order order(uint32_t) const noexcept { return Order::declared; }
  /// The border of its zero that an input's image shall stand in, so that it is read in place.
  [[nodiscard]] virtual Border wanted_border(uint32_t) const noexcept { return {}; }
  /// Whether an operand with channels last may stand in a border; who writes one, fills its border, too.
  [[nodiscard]] virtual bool takes_border(uint32_t) const noexcept { return false; }
  /// Whether each row of the outputs, all axes but the last, is made of the same row of the inputs; such
  /// nodes run on any matrix of rows.
  [[nodiscard]] virtual bool row_wise() const noexcept { return false; }
  /// Whether each entry of the outputs' first axis is made of the same entry of the inputs' first axes.
  [[nodiscard]] virtual bool entry_wise(std::span<const ArrayForm>) const noexcept { return false; }
  /// Private tables.
  [[nodiscard]] virtual uint64_t resident_bytes() const noexcept { return 0; }
};

using NodePointer = std::unique_ptr<const Node>;

/// Where an operator stands in its file.
struct Source {
  const format::FileView& file;
  const cordwood_operator& op;

  template <class T>
  [[nodiscard]] T attributes() const noexcept {
    return file.attributes_of<T>(op);
  }
  [[nodiscard]] bool has_tensor(uint32_t operand) const noexcept {
    return file.tensor(op, operand) != CORDWOOD_NO_TENSOR;
  }
  [[nodiscard]] cordwood_tensor tensor(uint32_t operand) const noexcept {
    return file.tensors[file.tensor(op, operand)];
  }
  [[nodiscard]] cordwood_value input(uint32_t operand) const noexcept {
    return file.values[file.input(op, operand)];
  }
  [[nodiscard]] cordwood_value output(uint32_t operand) const noexcept {
    return file.values[file.output(op, operand)];
  }
  [[nodiscard]] const char* name() const noexcept { return format::opcode_name(op.opcode); }
};

/// A failure of shapes or types.
template <class... Numbers>
Status misfit(const char* place, const char* text, Numbers... numbers) noexcept {
  return fail(CORDWOOD_STATUS_shape_mismatch, place, text, numbers...);
}

// What makes nodes; each fails where memory could not be had or a type is none that it runs.
Result<NodePointer> make_linear(const Source& source);
Result<NodePointer> make_matmul(const Source& source);
Result<NodePointer> make_attention(const Source& source);
/// conv, pool
Result<NodePointer> make_image(const Source& source);
/// lstm, gru
Result<NodePointer> make_recurrence(const Source& source);
/// activation, unary, softmax, norms
Result<NodePointer> make_float(const Source& source);
Result<NodePointer> make_embedding(const Source& source);
/// binary, compare, where, cast
Result<NodePointer> make_elementwise(const Source& source);
/// reduce, arg_reduce
Result<NodePointer> make_reduction(const Source& source);
/// constant, reshape, expand, transpose, slice
Result<NodePointer> make_shaping(const Source& source);
/// concat, pad
Result<NodePointer> make_joining(const Source& source);
Result<NodePointer> make_resize(const Source& source);
Result<NodePointer> make_gather(const Source& source);

/// The node of any operator that this build runs.
Result<NodePointer> make_node(const Source& source);

}  // namespace cordwood::runtime
