// Chains: consecutive operators that answer row by row, or image by image, run through blocks of them, so
// that what they pass on stays in the second cache level. No sum changes: rows and images are independent.
#include <algorithm>

#include "runtime/nets/net_program.hpp"

namespace cordwood::runtime {
namespace {

/// What the widest value of a block may take: of rows most of an L2, beside weights that stream by; of
/// images less, beside weights that stay.
constexpr uint64_t kRowBlockBytes = uint64_t{768} << 10;
constexpr uint64_t kImageBlockBytes = uint64_t{64} << 10;
/// Blocks of rows are whole tiles of the products' kernels.
constexpr uint64_t kTileRows = 12;

/// Parts of an array, and the bytes of one.
uint64_t parts_of(const Shape& shape, bool images) noexcept {
  if (shape.rank == 0) return 0;
  return images ? shape.size[0] : shape.elements(0, shape.rank - 1);
}
uint64_t part_bytes(const ArrayForm& form, bool images) noexcept {
  const Shape& shape = form.shape;
  return (images ? shape.elements(1, shape.rank) : shape.last()) * element_bytes(form.dtype);
}

/// Parts `first` to `first + count` - 1 of an array, rows as a matrix; of an array that holds a block
/// alone, its first ones.
Array part_of(const Array& whole, uint64_t first, uint64_t count, bool images,
              bool block_alone) noexcept {
  Array part = whole;
  part.data = whole.data + (block_alone ? 0 : first * part_bytes(whole.form, images));
  Shape& shape = part.form.shape;
  if (!images) {
    shape.size[1] = whole.form.shape.last();
    shape.rank = 2;
  }
  shape.size[0] = count;
  return part;
}

uint64_t block_of(uint64_t widest, bool images) noexcept {
  if (images) return std::max<uint64_t>(1, kImageBlockBytes / widest);
  return std::max(kTileRows, kRowBlockBytes / widest / kTileRows * kTileRows);
}

}  // namespace

bool NetProgram::joins(const NetStep& step, const NetChain& chain,
                       const NetPlan& plan) const noexcept {
  if (!(chain.images ? step.node->image_wise() : step.node->row_wise())) return false;
  const uint32_t* first = operands_.data() + step.first_operand;
  return std::all_of(first, first + step.inputs + step.outputs, [&](uint32_t value) {
    return parts_of(plan.forms[value].shape, chain.images) == chain.parts;
  });
}

NetChain NetProgram::longest_chain(uint32_t first, bool images,
                                   const NetPlan& plan) const noexcept {
  NetChain chain{.first = first, .last = first, .images = images};
  chain.parts = parts_of(plan.forms[outputs_of(steps_[first])[0]].shape, images);
  uint64_t widest = 1;
  while (chain.last < steps_.size() && chain.parts != 0 && joins(steps_[chain.last], chain, plan)) {
    const uint32_t value = outputs_of(steps_[chain.last++])[0];
    widest = std::max(widest, part_bytes(plan.forms[value], images));
  }
  chain.block_parts = block_of(widest, images);
  return chain;
}

void NetProgram::find_chains(std::span<const uint32_t> root, std::span<uint64_t> last,
                             NetPlan& plan) const {
  for (uint32_t first = 0; first < steps_.size();) {
    const NetChain rows = longest_chain(first, false, plan);
    const NetChain images = longest_chain(first, true, plan);
    const NetChain& chain = images.last > rows.last ? images : rows;
    const uint32_t end = chain.last;
    if (end >= first + 2 && chain.parts > chain.block_parts) {
      plan.chains.push_back(chain);
      for (uint32_t index = first; index < end; ++index) {
        const uint32_t value = outputs_of(steps_[index])[0];
        const bool alone = std::ranges::count(root, value) == 1;
        plan.in_block[value] = alone && last[value] < end && last[value] > index &&
                               plan.places[value] == NetPlace::kArena;
      }
      // What a step reads of a later block must not be overwritten by an earlier one's later steps.
      for (uint32_t index = first; index < end; ++index) {
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
  const uint64_t block = chain.block_parts * std::min(threads, NetChain::kMostThreads);
  for (uint64_t first = 0; first < chain.parts; first += block) {
    const uint64_t count = std::min(block, chain.parts - first);
    for (uint32_t index = chain.first; index < chain.last; ++index) {
      const NetStep& step = steps_[index];
      std::array<Array, kMostChainOperands> parts;
      const uint32_t operands = step.inputs + step.outputs;
      for (uint32_t i = 0; i < operands; ++i) {
        const uint32_t at = step.first_operand + i;
        const bool alone = plan.in_block[operands_[at]] != 0;
        parts[i] = part_of(plan.operands[at], first, count, chain.images, alone);
      }
      CORDWOOD_RETURN_IF_FAILED(run_step(step, {parts.data(), operands}, context, threads));
    }
  }
  return {};
}

}  // namespace cordwood::runtime
