// From the shapes of inputs to every shape, and a place in memory for every value.
#include <algorithm>

#include "runtime/memory.hpp"
#include "runtime/nets/net_program.hpp"

namespace cordwood::runtime {
namespace {

/// A stretch of the arena and the last step that reads what lies there.
struct Stretch {
  uint64_t start;
  uint64_t end;
  uint64_t last_step;
};

/// The lowest gap between live stretches, which are in order of their places.
uint64_t take_gap(std::vector<Stretch>& live, uint64_t bytes, uint64_t last_step) {
  uint64_t start = 0;
  auto at = live.begin();
  for (; at != live.end() && at->start - start < bytes; ++at) start = at->end;
  live.insert(at, {start, start + bytes, last_step});
  return start;
}

}  // namespace

Status NetProgram::bind_inputs(std::span<const ArrayForm> inputs, NetPlan& plan) const {
  if (inputs.size() != inputs_.size()) {
    return misfit("net", "{} inputs were given, expected {}", inputs.size(), inputs_.size());
  }
  std::array<uint64_t, 256> symbols;
  symbols.fill(UINT64_MAX);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const cordwood_value& record = values_[inputs_[i]].record;
    const ArrayForm& given = inputs[i];
    if (given.shape.rank != record.rank) {
      return misfit("net", "input {} has {} axes, expected {}", i, given.shape.rank, record.rank);
    }
    if (given.dtype != record.dtype) {
      return misfit("net", "input {} has elements of type {}, expected type {}", i, given.dtype,
                    record.dtype);
    }
    for (uint32_t axis = 0; axis < record.rank; ++axis) {
      const uint64_t size = given.shape.size[axis];
      const uint8_t symbol = record.symbol_of[axis];
      const uint64_t declared = record.dimension[axis];
      if (symbol == 0 ? size != declared : declared != 0 && size > declared) {
        return misfit("net",
                      symbol == 0 ? "input {}, axis {}: its size is {}, expected {}"
                                  : "input {}, axis {}: its size is {}, expected at most {}",
                      i, axis, size, declared);
      }
      if (symbol != 0 && symbols[symbol] != UINT64_MAX && symbols[symbol] != size) {
        return misfit("net", "input {}, axis {}: its size is {}, another input's like axis has {}",
                      i, axis, size, symbols[symbol]);
      }
      symbols[symbol] = size;
    }
    if (!given.fits()) return misfit("net", "input {} has more than 2^48 bytes", i);
    plan.forms[inputs_[i]] = given;
    plan.places[inputs_[i]] = NetPlace::kInput;
    plan.offsets[inputs_[i]] = i;
  }
  return {};
}

Status NetProgram::infer_step(const NetStep& step, NetPlan& plan) const {
  std::vector<ArrayForm> inputs;
  for (const uint32_t value : inputs_of(step)) inputs.push_back(plan.forms[value]);
  std::vector<ArrayForm> outputs(step.outputs);
  const auto targets = outputs_of(step);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    outputs[i].dtype = values_[targets[i]].record.dtype;
  }
  CORDWOOD_RETURN_IF_FAILED(step.node->infer(inputs, outputs));
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const cordwood_value& record = values_[targets[i]].record;
    const Shape& shape = outputs[i].shape;
    bool declared = shape.rank == record.rank && outputs[i].fits();
    for (uint32_t axis = 0; declared && axis < record.rank; ++axis) {
      declared = record.symbol_of[axis] != 0 || record.dimension[axis] == shape.size[axis];
    }
    if (!declared) {
      return misfit(format::opcode_name(step.opcode),
                    "value {} has {} axes and {} elements, not as the file declares", targets[i],
                    shape.rank, shape.elements());
    }
    plan.forms[targets[i]] = outputs[i];
    if (bytes_of(plan, targets[i]) > kMaxArrayBytes) {
      return misfit("net", "value {} has more than 2^48 bytes with its borders", targets[i]);
    }
  }
  plan.scratch_bytes = std::max(plan.scratch_bytes, step.node->scratch_bytes(inputs, outputs));
  return {};
}

Status NetProgram::infer(NetPlan& plan) const {
  for (const NetStep& step : steps_) CORDWOOD_RETURN_IF_FAILED(infer_step(step, plan));
  return {};
}

uint64_t NetProgram::bytes_of(const NetPlan& plan, uint32_t value) const noexcept {
  const ArrayForm& form = plan.forms[value];
  const Border& border = values_[value].border;
  return border.any() ? form.shape.size[0] * entry_bytes(form, border) : form.bytes();
}

uint64_t NetProgram::bytes_in_arena(const NetPlan& plan, uint32_t value,
                                    uint32_t index) const noexcept {
  const uint64_t whole = bytes_of(plan, value);
  uint64_t bytes = whole;
  if (plan.in_block[value] != NetBlock::none) {
    const bool rows = plan.in_block[value] == NetBlock::rows;
    const auto& chains = rows ? plan.row_chains : plan.entry_chains;
    const auto chain = std::ranges::find_if(chains, [&](const NetChain& candidate) {
      return candidate.first <= index && index < candidate.last;
    });
    const uint64_t most = chain->block_parts * NetChain::kMostThreads;
    if (most < chain->parts) bytes = whole / chain->parts * most;
  }
  return std::max(whole_lines(bytes), kCacheLine);
}

void NetProgram::place(NetPlan& plan) const {
  const std::size_t count = values_.size();
  std::vector<uint32_t> root(count);  // the value whose memory a value shares
  for (uint32_t value = 0; value < count; ++value) root[value] = value;
  std::vector<uint64_t> last(count, 0);
  for (std::size_t index = 0; index < steps_.size(); ++index) {
    const NetStep& step = steps_[index];
    const auto inputs = inputs_of(step);
    if (step.node->shares_input()) root[outputs_of(step)[0]] = root[inputs[0]];
    for (uint32_t i = 0; i < inputs.size(); ++i) {
      if (!step.node->reads_shape_only(i)) last[root[inputs[i]]] = index;
    }
    for (const uint32_t value : outputs_of(step)) {
      last[root[value]] = std::max<uint64_t>(last[root[value]], index);
    }
    if (step.node->constant() != nullptr) {
      const uint32_t value = outputs_of(step)[0];
      plan.places[value] = NetPlace::kConstant;
      // Nothing writes to what nodes read: the plan's arrays have one type for both.
      plan.constants[value].data = const_cast<std::byte*>(step.node->constant());
    }
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const uint32_t owner = root[outputs_[i]];
    if (plan.places[owner] == NetPlace::kArena) {
      plan.places[owner] = NetPlace::kOutput;
      plan.offsets[owner] = i;
    } else {
      plan.copies[i] = owner;
    }
  }
  find_chains(root, last, plan);
  std::vector<Stretch> live;
  std::vector<Stretch> live_blocks;  // in the memory that each desk has for itself
  std::vector<bool> placed(count, false);
  const auto place_value = [&](uint32_t value, uint32_t index) {
    if (root[value] != value || plan.places[value] != NetPlace::kArena || placed[value]) return;
    const bool block = plan.in_block[value] != NetBlock::none;
    const uint64_t bytes = bytes_in_arena(plan, value, index);
    plan.offsets[value] = take_gap(block ? live_blocks : live, bytes, last[value]);
    uint64_t& all = block ? plan.block_bytes : plan.arena_bytes;
    all = std::max(all, plan.offsets[value] + bytes);
    placed[value] = true;
  };
  // What outlives a chain's blocks has its place before the first of them begins.
  const auto place_chain = [&](const NetChain& chain, NetBlock level) {
    for (uint32_t index = chain.first; index < chain.last; ++index) {
      for (const uint32_t value : outputs_of(steps_[index])) {
        if (plan.in_block[value] < level) place_value(value, index);
      }
    }
  };
  for (uint32_t index = 0; index < steps_.size(); ++index) {
    const auto gone = [&](const Stretch& stretch) { return stretch.last_step < index; };
    std::erase_if(live, gone);
    std::erase_if(live_blocks, gone);
    for (const NetChain& chain : plan.entry_chains) {
      if (chain.first == index) place_chain(chain, NetBlock::entries);
    }
    for (const NetChain& chain : plan.row_chains) {
      if (chain.first == index) place_chain(chain, NetBlock::rows);
    }
    for (const uint32_t value : outputs_of(steps_[index])) place_value(value, index);
  }
  for (uint32_t value = 0; value < count; ++value) {
    plan.places[value] = plan.places[root[value]];
    plan.offsets[value] = plan.offsets[root[value]];
    plan.constants[value] = plan.constants[root[value]];
  }
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    plan.operands[i].form = plan.forms[operands_[i]];
    plan.operands[i].channels_last = values_[operands_[i]].channels_last;
    plan.operands[i].border = values_[operands_[i]].border;
  }
}

Result<std::unique_ptr<NetPlan>> NetProgram::make_plan(std::span<const ArrayForm> inputs) const {
  auto plan = std::make_unique<NetPlan>();
  plan->program = serial_;
  plan->inputs.assign(inputs.begin(), inputs.end());
  plan->forms.resize(values_.size());
  plan->places.resize(values_.size(), NetPlace::kArena);
  plan->offsets.resize(values_.size());
  plan->constants.resize(values_.size());
  plan->operands.resize(operands_.size());
  plan->in_block.resize(values_.size());
  plan->copies.assign(outputs_.size(), NetPlan::kNone);
  CORDWOOD_RETURN_IF_FAILED(bind_inputs(inputs, *plan));
  CORDWOOD_RETURN_IF_FAILED(infer(*plan));
  place(*plan);
  return plan;
}

}  // namespace cordwood::runtime
