// Which values lie with channels last: images between operators that take them so. Others would have to turn
// them round.
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

}  // namespace cordwood::runtime
