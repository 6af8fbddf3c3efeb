// A packed net made ready: its nodes in order. What a run needs for inputs of given shapes is a NetPlan:
// every shape, and a place in one arena for every value.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/nets/node.hpp"

namespace cordwood::runtime {

/// A value as the file declares it.
struct NetValue {
  cordwood_value record;
  bool channels_last = false;  ///< between operators of images
  Border border{};             ///< around each image, for convolutions that read it
  [[nodiscard]] bool is_input() const noexcept { return record.role == CORDWOOD_ROLE_INPUT; }
  [[nodiscard]] bool is_output() const noexcept { return record.role == CORDWOOD_ROLE_OUTPUT; }
};

/// An operator with its operands: runs of a list of value ids.
struct NetStep {
  NodePointer node;
  uint16_t opcode = 0;
  uint32_t first_operand = 0;
  uint32_t inputs = 0;
  uint32_t outputs = 0;
  bool same_input = false;  ///< as the last product before it
};

/// Where a value lies.
enum class NetPlace : uint8_t { kArena, kInput, kOutput, kConstant };

/// Steps `first` to `last` - 1, which run through blocks of entries of the first axis, or of rows.
struct NetChain {
  uint32_t first = 0;
  uint32_t last = 0;
  uint64_t parts = 0;        ///< entries or rows in all
  uint64_t block_parts = 0;  ///< of one thread
  bool entries = false;

  /// Threads that a block is made for at most: bounds what blocks take.
  static constexpr unsigned kMostThreads = 8;
};

/// Whether a value's memory holds all of it, or one block of the chain that makes and reads it.
enum class NetBlock : uint8_t { none, entries, rows };

struct NetPlan {
  std::vector<ArrayForm> forms;   ///< [values]
  std::vector<NetPlace> places;   ///< [values]
  std::vector<uint64_t> offsets;  ///< [values] in the arena, or the number of the input or output
  std::vector<uint32_t> copies;   ///< [outputs] value to copy to it at the end; kNone for none
  std::vector<Array> operands;    ///< [operands] with the addresses of the last run
  std::vector<Array> constants;   ///< [values]
  std::vector<NetChain> entry_chains;  ///< ascending
  std::vector<NetChain> row_chains;    ///< ascending; each inside an entry chain or outside all
  std::vector<NetBlock> in_block;      ///< [values]
  std::vector<ArrayForm> inputs;       ///< what the plan is for
  uint64_t program = 0;                ///< serial number of its program
  uint64_t arena_bytes = 0;
  uint64_t block_bytes = 0;  ///< of a desk, for values that hold a block
  uint64_t scratch_bytes = 0;

  static constexpr uint32_t kNone = 0xFFFFFFFFu;
};

/// What one thread runs steps with.
struct NetDesk {
  Arena blocks;  ///< values that hold a block
  Arena scratch;
  QmatmulContext products;
  SparseContext sparse;
  ConvContext images;
  std::vector<Array> parts;   ///< [operands] of the block that runs
  double* seconds = nullptr;  ///< [steps] that a run adds the time of each to; null for no times
  /// The block of entries that runs, for failures that name a row or an image of the batch.
  struct Origin {
    uint64_t entry = 0;    ///< the block's first
    uint64_t entries = 1;  ///< of the whole batch
  } origin{};
};

/// Scratch of one caller at a time. Any net may use it; plans of the last few shapes are kept.
struct NetContext {
  Arena arena;
  NetDesk desk;
  std::vector<std::unique_ptr<NetDesk>>
      more_desks;                               ///< of other threads that run blocks of their own
  std::vector<std::unique_ptr<NetPlan>> plans;  ///< the most recent first
  std::vector<Array> inputs;                    ///< of the call
  std::vector<Array> outputs;
  std::vector<ArrayForm> forms;
};

class NetProgram {
 public:
  /// Prepares every operator of a validated file. The bytes may go once this returns.
  static Result<NetProgram> build(const format::FileView& file, const KernelRow& kernels) noexcept;

  /// The plan for inputs of these forms: the context's own, or a new one. Fails where they do not fit.
  Result<NetPlan*> plan(NetContext& context, std::span<const ArrayForm> inputs) const noexcept;

  /// Runs a plan; arrays are C-ordered, aligned to their elements, of the plan's forms.
  Status run(NetContext& context, NetPlan& plan, std::span<const Array> inputs,
             std::span<const Array> outputs, unsigned threads) const noexcept;

  [[nodiscard]] std::span<const NetValue> values() const noexcept { return values_; }
  [[nodiscard]] std::span<const uint32_t> inputs() const noexcept { return inputs_; }
  [[nodiscard]] std::span<const uint32_t> outputs() const noexcept { return outputs_; }
  [[nodiscard]] std::span<const NetStep> steps() const noexcept { return steps_; }
  [[nodiscard]] std::span<const uint32_t> operands() const noexcept { return operands_; }
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  void choose_orders();
  void choose_borders();
  Status bind_inputs(std::span<const ArrayForm> inputs, NetPlan& plan) const;
  Status infer(NetPlan& plan) const;
  Status infer_step(const NetStep& step, NetPlan& plan) const;
  void place(NetPlan& plan) const;
  void find_chains(std::span<const uint32_t> root, std::span<uint64_t> last, NetPlan& plan) const;
  [[nodiscard]] bool joins(const NetStep& step, const NetChain& chain, const NetPlan& plan) const;
  [[nodiscard]] NetChain longest_chain(uint32_t first, uint32_t end, bool entries,
                                       const NetPlan& plan) const;
  void find_row_chains(uint32_t first, uint32_t end, const NetChain* outer,
                       std::span<const uint32_t> root, std::span<uint64_t> last,
                       NetPlan& plan) const;
  void add_chain(const NetChain& chain, std::span<const uint32_t> root, std::span<uint64_t> last,
                 NetPlan& plan) const;
  /// Bytes of a value with the borders of its images.
  [[nodiscard]] uint64_t bytes_of(const NetPlan& plan, uint32_t value) const noexcept;
  [[nodiscard]] uint64_t bytes_in_arena(const NetPlan& plan, uint32_t value,
                                        uint32_t index) const noexcept;
  Status run_step(const NetStep& step, std::span<const Array> operands, NetDesk& desk,
                  unsigned threads) const noexcept;
  Status run_row_chain(const NetChain& chain, std::span<const Array> operands, NetDesk& desk,
                       const NetPlan& plan, unsigned threads) const noexcept;
  Status run_steps(uint32_t first, uint32_t end, std::span<const Array> operands, NetDesk& desk,
                   const NetPlan& plan, unsigned threads) const noexcept;
  /// Entries `first` to `first + count` - 1, on a desk.
  Status run_block(const NetChain& chain, uint64_t first, uint64_t count, NetDesk& desk,
                   const NetPlan& plan, unsigned threads) const noexcept;
  Status run_entry_chain(const NetChain& chain, NetContext& context, const NetPlan& plan,
                         unsigned threads) const noexcept;
  Status run_all(NetContext& context, const NetPlan& plan, unsigned threads) const noexcept;
  Status lay_desks(NetContext& context, const NetPlan& plan, unsigned threads) const noexcept;
  Result<std::unique_ptr<NetPlan>> make_plan(std::span<const ArrayForm> inputs) const;

  [[nodiscard]] std::span<const uint32_t> inputs_of(const NetStep& step) const noexcept {
    return {operands_.data() + step.first_operand, step.inputs};
  }
  [[nodiscard]] std::span<const uint32_t> outputs_of(const NetStep& step) const noexcept {
    return {operands_.data() + step.first_operand + step.inputs, step.outputs};
  }

  /// Operands of a step that answers row by row: x, a residual, the answer.
  static constexpr std::size_t kMostRowOperands = 3;

  const KernelRow* kernels_ = nullptr;
  std::vector<NetValue> values_;
  std::vector<NetStep> steps_;
  std::vector<uint32_t> operands_;
  std::vector<uint32_t> inputs_;
  std::vector<uint32_t> outputs_;
  uint64_t serial_ = 0;
};

}  // namespace cordwood::runtime
