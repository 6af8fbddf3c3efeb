#include "cuda/backend.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "cuda/availability.hpp"
#include "cuda/device_name.hpp"
#include "cuda/model.hpp"
#include "cuda/status.hpp"
#include "format/view.hpp"

namespace cordwood::cuda {
namespace {

/// A model, and what answers each target of the table.
struct Loaded {
  std::unique_ptr<const Model> model;
  std::array<std::optional<plan::Target>, CORDWOOD_TARGET_COUNT> targets;
};

// The opaque types of the table are these behind their backs.
const Loaded& reveal(const cordwood_backend_model* model) noexcept {
  return *reinterpret_cast<const Loaded*>(model);
}
Context& reveal(cordwood_backend_context* context) noexcept {
  return *reinterpret_cast<Context*>(context);
}

/// Puts a Status into words of the caller's.
int32_t answer(const Status& status, cordwood_message* why) noexcept {
  if (status.ok()) return CORDWOOD_STATUS_ok;
  const StatusMessage message = render(status);
  static_assert(sizeof message.characters == sizeof why->text);
  std::memcpy(why->text, message.c_str(), sizeof why->text);
  return status.code;
}

Status load_model(std::span<const std::byte> bytes, const cordwood_tree_range* trees,
                  plan::RowForm form, cordwood_backend_model** model) noexcept {
  if (const char* reason = availability()) {
    return fail(CORDWOOD_STATUS_device_not_available, "device", reason);
  }
  const Result<format::FileView> file = format::validate(bytes, format::CheckLevel::structure);
  if (!file) return file.status();
  if (file->is_net()) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it is a net; this build runs models of trees on the device, load it for the cpu");
  }
  int device = kDevice;
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaGetDevice(&device), "device");
  Result<std::unique_ptr<const Model>> made = Model::load(*file, trees, form, device);
  if (!made) return made.status();
  return guard_memory("model", [&]() -> Status {
    auto loaded = std::make_unique<Loaded>();
    loaded->model = std::move(*made);
    loaded->targets = loaded->model->steps().answers();
    *model = reinterpret_cast<cordwood_backend_model*>(loaded.release());
    return {};
  });
}

int32_t load(const void* bytes, uint64_t length, const cordwood_tree_range* trees,
             cordwood_backend_model** model, cordwood_message* why) noexcept {
  const std::span file(static_cast<const std::byte*>(bytes), length);
  return answer(load_model(file, trees, plan::RowForm::kValues, model), why);
}

int32_t load_binned(const void* bytes, uint64_t length, const cordwood_tree_range* trees,
                    cordwood_backend_model** model, cordwood_message* why) noexcept {
  const std::span file(static_cast<const std::byte*>(bytes), length);
  return answer(load_model(file, trees, plan::RowForm::kBins, model), why);
}

void release(cordwood_backend_model* model) noexcept {
  const std::unique_ptr<const Loaded> last(&reveal(model));
}

void describe(const cordwood_backend_model* model, cordwood_facts* facts) noexcept {
  const Loaded& self = reveal(model);
  *facts = {};
  facts->n_features = self.model->n_features();
  facts->n_trees = self.model->n_trees();
  facts->resident_bytes = self.model->resident_bytes();
  facts->processor = self.model->processor();
  facts->engine = self.model->trees().engine();
  facts->engine_reason = self.model->trees().engine_reason();
  facts->ordinal = static_cast<uint32_t>(self.model->device());
  for (std::size_t target = 0; target < self.targets.size(); ++target) {
    if (!self.targets[target]) continue;
    const plan::ValueInfo value = self.model->target_info(*self.targets[target]);
    facts->answers[target] = {.columns = value.columns,
                              .classes = value.classes,
                              .dtype = value.dtype,
                              .role = value.role,
                              .reserved = {}};
  }
  const std::optional<plan::BinForm>& form = self.model->binning();
  if (!form) return;
  facts->bins = {.n_columns = static_cast<uint32_t>(form->n_columns()),
                 .bin_bytes = form->bin_bytes(),
                 .highest = form->highest().data(),
                 .digest = {form->digest()[0], form->digest()[1]}};
}

int32_t context_create(cordwood_backend_context** context, cordwood_message* why) noexcept {
  const Status status = guard_memory("scratch of a run", [&]() -> Status {
    *context = reinterpret_cast<cordwood_backend_context*>(std::make_unique<Context>().release());
    return {};
  });
  return answer(status, why);
}

void context_free(cordwood_backend_context* context) noexcept {
  const std::unique_ptr<Context> last(&reveal(context));
}

/// What a call on rows asks for, where the model has it.
Result<plan::Target> target_of(const Loaded& self, uint32_t target, bool staged) noexcept {
  if (target >= self.targets.size() || !self.targets[target]) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it has no answer number {}; ask describe for those it has", target);
  }
  if (!staged && self.model->n_stages() != 0) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it was loaded for its {} stages and answers by them alone",
                self.model->n_stages());
  }
  return *self.targets[target];
}

int32_t run(const cordwood_backend_model* model, cordwood_backend_context* context,
            const cordwood_rows* rows, uint32_t target, void* out, uint32_t,
            cordwood_message* why) noexcept {
  const Loaded& self = reveal(model);
  const Result<plan::Target> wanted = target_of(self, target, false);
  if (!wanted) return answer(wanted.status(), why);
  return answer(self.model->run(reveal(context), *rows, *wanted, out), why);
}

int32_t stage(const cordwood_backend_model* model, cordwood_backend_context* context,
              const cordwood_rows* rows, uint64_t number, uint32_t target, void* margin, void* out,
              uint32_t, cordwood_message* why) noexcept {
  const Loaded& self = reveal(model);
  const Result<plan::Target> wanted = target_of(self, target, true);
  if (!wanted) return answer(wanted.status(), why);
  return answer(self.model->run_stage(reveal(context), *rows, number, *wanted, margin, out), why);
}

int32_t bin(const cordwood_backend_model* model, cordwood_backend_context* context,
            const cordwood_rows* rows, void* out, uint64_t step, uint32_t,
            cordwood_message* why) noexcept {
  return answer(reveal(model).model->bin(reveal(context), *rows, out, step), why);
}

int32_t run_there(const cordwood_backend_model* model, cordwood_backend_context* context,
                  const cordwood_rows* rows, uint32_t target, void* out, uint64_t stream,
                  cordwood_message* why) noexcept {
  const Loaded& self = reveal(model);
  const Result<plan::Target> wanted = target_of(self, target, false);
  if (!wanted) return answer(wanted.status(), why);
  auto* const order = reinterpret_cast<cudaStream_t>(static_cast<uintptr_t>(stream));
  return answer(self.model->run_there(reveal(context), *rows, *wanted, out, order), why);
}

constexpr cordwood_backend kBackend = {.abi_version = CORDWOOD_BACKEND_ABI,
                                       .struct_bytes = sizeof(cordwood_backend),
                                       .name = CORDWOOD_CUDA_DEVICE,
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
                                       .shape_net = nullptr,
                                       .run_net = nullptr,
                                       .run_there = run_there};

}  // namespace
}  // namespace cordwood::cuda

extern "C" const cordwood_backend* cordwood_cuda_backend() noexcept {
  return &cordwood::cuda::kBackend;
}
