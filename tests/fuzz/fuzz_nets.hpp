// Runs a net that the door let in, on every row of this machine: shapes of a call are inferred and judged
// operator by operator, so a damaged file may still ask for what does not fit.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/nets/net_program.hpp"

namespace cordwood::fuzz {

/// Most that one array of a run may take here: larger nets are planned and not run.
inline constexpr uint64_t kMostBytes = uint64_t{1} << 22;

/// Inputs as a file declares them, every size that varies being 3 or less.
inline std::vector<runtime::ArrayForm> small_inputs(const runtime::NetProgram& net) {
  std::vector<runtime::ArrayForm> forms;
  for (const uint32_t id : net.inputs()) {
    const cordwood_value& record = net.values()[id].record;
    runtime::ArrayForm form{.shape = {.size = {}, .rank = record.rank}, .dtype = record.dtype};
    for (uint32_t axis = 0; axis < record.rank; ++axis) {
      const uint64_t size = record.dimension[axis];
      const bool varies = record.symbol_of[axis] != 0;
      form.shape.size[axis] = varies ? std::min<uint64_t>(size == 0 ? 3 : size, 3) : size;
    }
    forms.push_back(form);
  }
  return forms;
}

/// Answers of one row, one array after the other; `fail` is called with what went wrong.
template <class Fail>
std::vector<std::byte> run_net(const runtime::NetProgram& net, const Fail& fail) {
  runtime::NetContext context;
  const std::vector<runtime::ArrayForm> forms = small_inputs(net);
  const auto plan = net.plan(context, forms);
  if (!plan.ok()) return fail(plan.status()), std::vector<std::byte>{};
  for (const runtime::ArrayForm& form : (*plan)->forms) {
    if (form.bytes() > kMostBytes) return {};
  }
  if ((*plan)->scratch_bytes > 16 * kMostBytes) return {};
  std::vector<std::vector<std::byte>> memory;
  const auto arrays = [&](std::span<const runtime::ArrayForm> given, std::byte fill) {
    std::vector<runtime::Array> all;
    for (const runtime::ArrayForm& form : given) {
      memory.emplace_back(form.bytes(), fill);
      all.push_back({memory.back().data(), form});
    }
    return all;
  };
  // Bytes of 1 are small indices, true, and tiny floats.
  const std::vector<runtime::Array> inputs = arrays(forms, std::byte{1});
  std::vector<runtime::ArrayForm> told;
  for (const uint32_t id : net.outputs()) told.push_back((*plan)->forms[id]);
  const std::vector<runtime::Array> outputs = arrays(told, std::byte{0});
  const Status status = net.run(context, **plan, inputs, outputs, 1);
  if (!status.ok()) return fail(status), std::vector<std::byte>{};
  std::vector<std::byte> answers;
  for (const runtime::Array& output : outputs) {
    answers.insert(answers.end(), output.data, output.data + output.form.bytes());
  }
  return answers;
}

}  // namespace cordwood::fuzz
