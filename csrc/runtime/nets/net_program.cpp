#include "runtime/nets/net_program.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "runtime/float_mode.hpp"

namespace cordwood::runtime {
namespace {

/// Plans that a context keeps: a server sees few shapes at a time, and old ones are made anew.
constexpr std::size_t kKeptPlans = 8;

std::atomic<uint64_t> next_serial{1};

}  // namespace

Result<NetProgram> NetProgram::build(const format::FileView& file,
                                     const KernelRow& kernels) noexcept {
  return guard_memory("net", [&]() -> Result<NetProgram> {
    NetProgram program;
    program.kernels_ = &kernels;
    program.serial_ = next_serial.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t id = 0; id < file.values.size(); ++id) {
      program.values_.push_back({file.values[id]});
      if (program.values_.back().is_input()) program.inputs_.push_back(id);
      if (program.values_.back().is_output()) program.outputs_.push_back(id);
    }
    uint32_t read = UINT32_MAX;  // by the last product
    for (uint32_t index = 0; index < file.operators.size(); ++index) {
      const cordwood_operator op = file.operators[index];
      Result<NodePointer> node = make_node({file, op});
      if (!node) return node.status();
      NetStep step{.node = std::move(*node),
                   .opcode = op.opcode,
                   .first_operand = static_cast<uint32_t>(program.operands_.size()),
                   .inputs = op.input_count,
                   .outputs = op.output_count};
      if (op.opcode == CORDWOOD_OP_LINEAR) {
        step.same_input = file.input(op, 0) == read;
        read = file.input(op, 0);
      }
      for (uint32_t i = 0; i < op.input_count; ++i) program.operands_.push_back(file.input(op, i));
      for (uint32_t i = 0; i < op.output_count; ++i) {
        program.operands_.push_back(file.output(op, i));
      }
      program.steps_.push_back(std::move(step));
    }
    program.choose_orders();
    program.choose_borders();
    return program;
  });
}

uint64_t NetProgram::resident_bytes() const noexcept {
  uint64_t bytes = 0;
  for (const NetStep& step : steps_) bytes += step.node->resident_bytes();
  return bytes;
}

Status NetProgram::run_step(const NetStep& step, std::span<const Array> operands, NetDesk& desk,
                            unsigned threads) const noexcept {
  const NodeCall call{.inputs = operands.first(step.inputs),
                      .outputs = operands.subspan(step.inputs),
                      .scratch = desk.scratch.bytes(),
                      .products = desk.products,
                      .sparse = desk.sparse,
                      .images = desk.images,
                      .kernels = *kernels_->arrays,
                      .threads = threads,
                      .same_input = step.same_input};
  if (desk.seconds == nullptr) return step.node->run(call);
  const auto start = std::chrono::steady_clock::now();
  const Status status = step.node->run(call);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  desk.seconds[&step - steps_.data()] += taken.count();
  return status;
}

Status NetProgram::run(NetContext& context, NetPlan& plan, std::span<const Array> inputs,
                       std::span<const Array> outputs, unsigned threads) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(context.arena.reserve(plan.arena_bytes));
  CORDWOOD_RETURN_IF_FAILED(lay_desks(context, plan, threads));
  const DefaultFloatMode mode;
  std::byte* arena = context.arena.bytes().data();
  std::byte* blocks = context.desk.blocks.bytes().data();
  const auto address = [&](uint32_t value) -> std::byte* {
    switch (plan.places[value]) {
      case NetPlace::kInput:
        return inputs[plan.offsets[value]].data;
      case NetPlace::kOutput:
        return outputs[plan.offsets[value]].data;
      case NetPlace::kConstant:
        return plan.constants[value].data;
      default:  // NetPlace::kArena
        return (plan.in_block[value] == NetBlock::none ? arena : blocks) + plan.offsets[value];
    }
  };
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    plan.operands[i].data = address(operands_[i]);
  }
  CORDWOOD_RETURN_IF_FAILED(run_all(context, plan, threads));
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (plan.copies[i] == NetPlan::kNone) continue;
    const uint64_t bytes = plan.forms[plan.copies[i]].bytes();
    if (bytes != 0) std::memcpy(outputs[i].data, address(plan.copies[i]), bytes);
  }
  return {};
}

Result<NetPlan*> NetProgram::plan(NetContext& context,
                                  std::span<const ArrayForm> inputs) const noexcept {
  return guard_memory("plan of a run", [&]() -> Result<NetPlan*> {
    auto& plans = context.plans;
    const auto known = std::ranges::find_if(plans, [&](const auto& plan) {
      return plan->program == serial_ && std::ranges::equal(plan->inputs, inputs);
    });
    if (known != plans.end()) {
      std::rotate(plans.begin(), known, known + 1);
      return plans.front().get();
    }
    Result<std::unique_ptr<NetPlan>> made = make_plan(inputs);
    if (!made) return made.status();
    if (plans.size() == kKeptPlans) plans.pop_back();
    plans.insert(plans.begin(), std::move(*made));
    return plans.front().get();
  });
}

}  // namespace cordwood::runtime
