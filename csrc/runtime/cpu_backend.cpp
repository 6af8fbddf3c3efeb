#include "runtime/cpu_backend.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/backends.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/model.hpp"
#include "runtime/nets/net_program.hpp"

namespace cordwood::runtime {
namespace {

/// A model of rows, or a net.
struct CpuModel {
  std::shared_ptr<const Model> model;
  std::unique_ptr<const NetProgram> net;
  const char* instruction_set;
  std::array<std::optional<plan::Target>, CORDWOOD_TARGET_COUNT> targets;

  [[nodiscard]] bool has(uint32_t target) const noexcept {
    return target < targets.size() && targets[target].has_value();
  }
};

Status no_answer(uint32_t target) noexcept {
  return fail(CORDWOOD_STATUS_output_not_available, "model",
              "it has no answer number {}; ask describe for those it has", target);
}

/// Scratch for models of both kinds.
struct CpuContext : Context {
  NetContext net;
};

// The opaque types of the table are these behind their backs.
CpuModel* reveal(cordwood_backend_model* model) noexcept {
  return reinterpret_cast<CpuModel*>(model);
}
const CpuModel& reveal(const cordwood_backend_model* model) noexcept {
  return *reinterpret_cast<const CpuModel*>(model);
}
CpuContext* reveal(cordwood_backend_context* context) noexcept {
  return reinterpret_cast<CpuContext*>(context);
}

const char* availability() noexcept {
  return nullptr;
}

Status load_net(const format::FileView& file, const KernelRow& kernels, bool partly,
                cordwood_backend_model** model) noexcept {
  if (partly) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "a net has no trees to take a part of, and no binned rows");
  }
  return guard_memory("model", [&]() -> Status {
    Result<NetProgram> net = NetProgram::build(file, kernels);
    if (!net) return net.status();
    auto made = std::make_unique<CpuModel>();
    made->net = std::make_unique<const NetProgram>(std::move(*net));
    made->instruction_set = kernels.name;
    *model = reinterpret_cast<cordwood_backend_model*>(made.release());
    return {};
  });
}

int32_t load_for(plan::RowForm form, const void* bytes, uint64_t length,
                 const cordwood_tree_range* trees, cordwood_backend_model** model,
                 cordwood_message* why) noexcept {
  const std::span file(static_cast<const std::byte*>(bytes), length);
  const Result<const KernelRow*> kernels = active_row();
  if (!kernels) return explain(kernels.status(), *why);
  const Result<format::FileView> view = format::validate(file, format::CheckLevel::structure);
  if (!view) return explain(view.status(), *why);
  if (view->is_net()) {
    const Status status =
        load_net(*view, **kernels, trees != nullptr || form == plan::RowForm::kBins, model);
    return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
  }
  auto loaded = Model::prepare(*view, trees, form);
  if (!loaded) return explain(loaded.status(), *why);
  const Status status = guard_memory("model", [&]() -> Status {
    auto made = std::make_unique<CpuModel>();
    made->model = std::move(*loaded);
    made->instruction_set = (*kernels)->name;
    made->targets = made->model->program().steps().answers();
    *model = reinterpret_cast<cordwood_backend_model*>(made.release());
    return {};
  });
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

int32_t load(const void* bytes, uint64_t length, const cordwood_tree_range* trees,
             cordwood_backend_model** model, cordwood_message* why) noexcept {
  return load_for(plan::RowForm::kValues, bytes, length, trees, model, why);
}

int32_t load_binned(const void* bytes, uint64_t length, const cordwood_tree_range* trees,
                    cordwood_backend_model** model, cordwood_message* why) noexcept {
  return load_for(plan::RowForm::kBins, bytes, length, trees, model, why);
}

void release(cordwood_backend_model* model) noexcept {
  const std::unique_ptr<CpuModel> last(reveal(model));
}

void describe(const cordwood_backend_model* model, cordwood_facts* facts) noexcept {
  const CpuModel& self = reveal(model);
  if (self.net) {
    *facts = {};
    facts->resident_bytes = self.net->resident_bytes();
    facts->processor = self.instruction_set;
    facts->engine = "net";
    facts->engine_reason = "its operators run one after the other";
    facts->n_inputs = static_cast<uint32_t>(self.net->inputs().size());
    facts->n_outputs = static_cast<uint32_t>(self.net->outputs().size());
    return;
  }
  const Program& program = self.model->program();
  const TreeOperator& trees = program.trees().back();
  *facts = {.n_features = program.n_features(),
            .n_trees = self.model->n_trees(),
            .resident_bytes = self.model->resident_bytes(),
            .processor = self.instruction_set,
            .engine = trees.engine().data(),
            .engine_reason = trees.engine_reason().data(),
            .answers = {},
            .bins = {},
            .n_inputs = 0,
            .n_outputs = 0,
            .ordinal = 0,
            .reserved = {}};
  for (std::size_t target = 0; target < self.targets.size(); ++target) {
    if (!self.targets[target]) continue;
    const plan::ValueInfo value = program.target_info(*self.targets[target]);
    facts->answers[target] = {.columns = value.columns,
                              .classes = value.classes,
                              .dtype = value.dtype,
                              .role = value.role,
                              .reserved = {}};
  }
  const std::optional<TreeBinning>& binning = program.binning();
  if (!binning) return;
  facts->bins = {.n_columns = program.n_features(),
                 .bin_bytes = binning->form().bin_bytes(),
                 .highest = binning->form().highest().data(),
                 .digest = {binning->form().digest()[0], binning->form().digest()[1]}};
}

int32_t context_create(cordwood_backend_context** context, cordwood_message* why) noexcept {
  const Status status = guard_memory("scratch of a run", [&]() -> Status {
    *context =
        reinterpret_cast<cordwood_backend_context*>(std::make_unique<CpuContext>().release());
    return {};
  });
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

void context_free(cordwood_backend_context* context) noexcept {
  const std::unique_ptr<CpuContext> last(reveal(context));
}

int32_t run(const cordwood_backend_model* model, cordwood_backend_context* context,
            const cordwood_rows* rows, uint32_t target, void* out, uint32_t threads,
            cordwood_message* why) noexcept {
  const CpuModel& self = reveal(model);
  if (!self.has(target)) return explain(no_answer(target), *why);
  if (self.model->n_stages() != 0) {
    return explain(
        fail(CORDWOOD_STATUS_output_not_available, "model",
             "it was loaded for its {} stages and answers by them alone", self.model->n_stages()),
        *why);
  }
  const Status status =
      self.model->run(*reveal(context), RowsView::of(*rows), *self.targets[target], out, threads);
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

int32_t stage(const cordwood_backend_model* model, cordwood_backend_context* context,
              const cordwood_rows* rows, uint64_t number, uint32_t target, void* margin, void* out,
              uint32_t threads, cordwood_message* why) noexcept {
  const CpuModel& self = reveal(model);
  if (!self.has(target)) return explain(no_answer(target), *why);
  const Status status = self.model->run_stage(*reveal(context), RowsView::of(*rows), number,
                                              *self.targets[target], margin, out, threads);
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

int32_t bin(const cordwood_backend_model* model, cordwood_backend_context* context,
            const cordwood_rows* rows, void* out, uint64_t step, uint32_t threads,
            cordwood_message* why) noexcept {
  const Model& self = *reveal(model).model;
  const std::optional<TreeBinning>& binning = self.program().binning();
  const bool by_column = binning && binning->form().bin_bytes() == 1;
  const BinGrid grid = by_column ? BinGrid{out, 1, step} : BinGrid{out, step, 2};
  const Status status = self.bin(*reveal(context), RowsView::of(*rows), grid, threads);
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

/// Arrays of the table as those of the runtime; false where there are more than any net may have.
bool adopt(std::span<const cordwood_array> given, std::vector<Array>& arrays) {
  arrays.resize(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].rank > CORDWOOD_MAX_RANK) return false;
    Array& array = arrays[i];
    array.data = static_cast<std::byte*>(given[i].data);
    array.form = {.shape = {.size = {}, .rank = given[i].rank}, .dtype = given[i].dtype};
    std::copy_n(given[i].size, given[i].rank, array.form.shape.size.begin());
  }
  return true;
}

/// The plan for these inputs, which are adopted into the context.
Result<NetPlan*> plan_for(const CpuModel& self, NetContext& context,
                          std::span<const cordwood_array> inputs) noexcept {
  if (!self.net) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it reads rows, expected a net, which reads inputs");
  }
  return guard_memory("inputs of a net", [&]() -> Result<NetPlan*> {
    if (!adopt(inputs, context.inputs)) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "net", "an input has more than 6 axes");
    }
    context.forms.clear();
    for (const Array& input : context.inputs) context.forms.push_back(input.form);
    return self.net->plan(context, context.forms);
  });
}

int32_t shape_net(const cordwood_backend_model* model, cordwood_backend_context* context,
                  const cordwood_array* inputs, uint32_t n_inputs, cordwood_array* outputs,
                  uint32_t n_outputs, cordwood_message* why) noexcept {
  const CpuModel& self = reveal(model);
  const Result<NetPlan*> plan = plan_for(self, reveal(context)->net, {inputs, n_inputs});
  if (!plan) return explain(plan.status(), *why);
  for (uint32_t i = 0; i < n_outputs && i < self.net->outputs().size(); ++i) {
    const ArrayForm& form = (*plan)->forms[self.net->outputs()[i]];
    outputs[i].dtype = form.dtype;
    outputs[i].rank = static_cast<uint8_t>(form.shape.rank);
    std::copy_n(form.shape.size.begin(), CORDWOOD_MAX_RANK, outputs[i].size);
  }
  return CORDWOOD_STATUS_ok;
}

int32_t run_net(const cordwood_backend_model* model, cordwood_backend_context* context,
                const cordwood_array* inputs, uint32_t n_inputs, const cordwood_array* outputs,
                uint32_t n_outputs, uint32_t threads, double* seconds,
                cordwood_message* why) noexcept {
  const CpuModel& self = reveal(model);
  NetContext& scratch = reveal(context)->net;
  const Result<NetPlan*> plan = plan_for(self, scratch, {inputs, n_inputs});
  if (!plan) return explain(plan.status(), *why);
  const Status status = guard_memory("outputs of a net", [&]() -> Status {
    if (n_outputs != self.net->outputs().size() || !adopt({outputs, n_outputs}, scratch.outputs)) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "net", "{} outputs, expected {}", n_outputs,
                  self.net->outputs().size());
    }
    scratch.desk.seconds = seconds;
    return self.net->run(scratch, **plan, scratch.inputs, scratch.outputs, threads);
  });
  return status.ok() ? CORDWOOD_STATUS_ok : explain(status, *why);
}

}  // namespace

constexpr cordwood_backend kCpuBackend = {.abi_version = CORDWOOD_BACKEND_ABI,
                                          .struct_bytes = sizeof(cordwood_backend),
                                          .name = "cpu",
                                          .availability = availability,
                                          .load = load,
                                          .release = release,
                                          .describe = describe,
                                          .context_create = context_create,
                                          .context_free = context_free,
                                          .run = run,
                                          .stage = stage,
                                          .load_binned = load_binned,
                                          .bin = bin,
                                          .shape_net = shape_net,
                                          .run_net = run_net,
                                          .run_there = nullptr};

}  // namespace cordwood::runtime
