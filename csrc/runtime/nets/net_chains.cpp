// Chains: consecutive operators that answer row by row run through blocks of rows, so that what they pass
// on stays in the second cache level. No sum changes: rows are independent.
#include <algorithm>

#include "runtime/nets/net_program.hpp"

namespace cordwood::runtime {
namespace {

/// What the widest value of a block may take: most of an L2, beside weights that stream by.
constexpr uint64_t kBlockBytes = uint64_t{768} << 10;
/// Blocks are whole tiles of the products' kernels.
constexpr uint64_t kTileRows = 12;

uint64_t rows_of(const ArrayForm& form) noexcept {
  return form.shape.rank == 0 ? 0 : form.shape.elements(0, form.shape.rank - 1);
}

uint64_t row_bytes(const ArrayForm& form) noexcept {
  return form.shape.last() * element_bytes(form.dtype);
}

/// Rows `first` to `first + count` - 1 of an array, as a matrix; of an array that holds a block alone,
/// its first rows.
Array part_of(const Array& whole, uint64_t first, uint64_t count, bool block_alone) noexcept {
  Array part;
  part.data = whole.data + (block_alone ? 0 : first * row_bytes(whole.form));
  part.form.dtype = whole.form.dtype;
  part.form.shape.rank = 2;
  part.form.shape.size[0] = count;
  part.form.shape.size[1] = whole.form.shape.last();
  return part;
}

}  // namespace

bool NetProgram::joins(const NetStep& step, uint64_t rows, const NetPlan& plan) const noexcept {
  if (!step.node->row_wise()) return false;
  const uint32_t* first = operands_.data() + step.first_operand;
  return std::all_of(first, first + step.inputs + step.outputs,
                     [&](uint32_t value) { return rows_of(plan.forms[value]) == rows; });
}

void NetProgram::find_chains(std::span<const uint32_t> root, std::span<uint64_t> last,
                             NetPlan& plan) const {
  for (std::size_t first = 0; first < steps_.size();) {
    const uint64_t rows =
        steps_[first].node->row_wise() ? rows_of(plan.forms[outputs_of(steps_[first])[0]]) : 0;
    std::size_t end = first;
    uint64_t widest = 1;
    while (end < steps_.size() && rows != 0 && joins(steps_[end], rows, plan)) {
      widest = std::max(widest, row_bytes(plan.forms[outputs_of(steps_[end])[0]]));
      ++end;
    }
    const uint64_t block = std::max(kTileRows, kBlockBytes / widest / kTileRows * kTileRows);
    if (end >= first + 2 && rows > block) {
      plan.chains.push_back(
          {static_cast<uint32_t>(first), static_cast<uint32_t>(end), rows, block});
      for (std::size_t index = first; index < end; ++index) {
        const uint32_t value = outputs_of(steps_[index])[0];
        const bool alone = std::ranges::count(root, value) == 1;
        plan.in_block[value] = alone && last[value] < end && last[value] > index &&
                               plan.places[value] == NetPlace::kArena;
      }
      // What a step reads of a later block must not be overwritten by an earlier one's later steps.
      for (std::size_t index = first; index < end; ++index) {
        for (const uint32_t value : inputs_of(steps_[index])) {
          last[root[value]] = std::max<uint64_t>(last[root[value]], end - 1);
        }
      }
    }
    first = std::max(end, first + 1);
  }
}

Status NetProgram::run_chain(const NetChain& chain, NetContext& context, const NetPlan& plan,
                             unsigned threads) const noexcept {
  const uint64_t block = chain.block_rows * std::min(threads, NetChain::kMostThreads);
  for (uint64_t first = 0; first < chain.rows; first += block) {
    const uint64_t count = std::min(block, chain.rows - first);
    for (uint32_t index = chain.first; index < chain.last; ++index) {
      const NetStep& step = steps_[index];
      std::array<Array, kMostRowOperands> parts;
      const uint32_t operands = step.inputs + step.outputs;
      for (uint32_t i = 0; i < operands; ++i) {
        const uint32_t at = step.first_operand + i;
        parts[i] = part_of(plan.operands[at], first, count, plan.in_block[operands_[at]] != 0);
      }
      CORDWOOD_RETURN_IF_FAILED(run_step(step, {parts.data(), operands}, context, threads));
    }
  }
  return {};
}

}  // namespace cordwood::runtime
