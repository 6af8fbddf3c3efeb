// Which values lie with channels last: images between operators that take them so. Others would have to turn
// them round. And which of them stand in the border that a convolution wants: who writes them leaves it room.
#include <algorithm>

#include "runtime/nets/net_program.hpp"

namespace cordwood::runtime {
namespace {

bool may_turn(const NetValue& value) noexcept {
  const cordwood_value& record = value.record;
  const bool numbers = record.dtype == CORDWOOD_DTYPE_FLOAT32 || record.code_scale != 0.0f;
  return record.role == CORDWOOD_ROLE_NONE && numbers && record.rank >= 3 &&
         record.rank <= CORDWOOD_MAX_SPACE + 2;
}

}  // namespace

void NetProgram::choose_orders() {
  for (NetValue& value : values_) value.channels_last = may_turn(value);
  const auto operands = [&](const NetStep& step) {
    return std::span(operands_).subspan(step.first_operand, step.inputs + step.outputs);
  };
  for (const NetStep& step : steps_) {
    const auto named = operands(step);
    for (uint32_t i = 0; i < named.size(); ++i) {
      const bool read = i >= step.inputs || !step.node->reads_shape_only(i);
      if (read && step.node->order(i) == Order::declared) values_[named[i]].channels_last = false;
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (const NetStep& step : steps_) {
      const auto named = operands(step);
      bool all = true;
      for (uint32_t i = 0; i < named.size(); ++i) {
        all = all && (step.node->order(i) != Order::alike || values_[named[i]].channels_last);
      }
      for (uint32_t i = 0; i < named.size() && !all; ++i) {
        NetValue& value = values_[named[i]];
        if (step.node->order(i) != Order::alike || !value.channels_last) continue;
        value.channels_last = false;
        changed = true;
      }
    }
  }
}

void NetProgram::choose_borders() {
  std::vector<bool> made(values_.size());
  for (const NetStep& step : steps_) {
    const bool runs = !step.node->shares_input() && step.node->constant() == nullptr;
    for (const uint32_t value : outputs_of(step)) made[value] = runs;
    const auto named = inputs_of(step);
    for (uint32_t i = 0; i < named.size(); ++i) {
      const Border wanted = step.node->wanted_border(i);
      Border& border = values_[named[i]].border;
      for (uint32_t axis = 0; axis < CORDWOOD_MAX_SPACE; ++axis) {
        border.before[axis] = std::max(border.before[axis], wanted.before[axis]);
        border.after[axis] = std::max(border.after[axis], wanted.after[axis]);
      }
    }
  }
  for (const NetStep& step : steps_) {
    for (uint32_t i = 0; i < step.inputs + step.outputs; ++i) {
      const bool touched = i >= step.inputs || !step.node->reads_shape_only(i);
      if (touched && !step.node->takes_border(i))
        values_[operands_[step.first_operand + i]].border = {};
    }
  }
  for (std::size_t id = 0; id < values_.size(); ++id) {
    NetValue& value = values_[id];
    if (!made[id] || !value.channels_last) value.border = {};
  }
}

}  // namespace cordwood::runtime
