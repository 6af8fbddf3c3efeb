#include "cuda/model.hpp"

#include <algorithm>
#include <utility>

#include "cuda/device_guard.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {

Result<std::unique_ptr<const Model>> Model::load(const format::FileView& file,
                                                 const cordwood_tree_range* range,
                                                 plan::RowForm form, int device) noexcept {
  using Made = Result<std::unique_ptr<const Model>>;
  Result<plan::RowProgram> steps = plan::RowProgram::read(file, form);
  if (!steps) return steps.status();
  const DeviceGuard guard(device);
  CORDWOOD_RETURN_IF_FAILED(guard.status());
  return guard_memory("model", [&]() -> Made {
    std::unique_ptr<Model> model(new Model(std::move(*steps), device));
    CORDWOOD_RETURN_IF_FAILED(model->read_device());
    CORDWOOD_RETURN_IF_FAILED(model->prepare(file, range, form));
    CORDWOOD_RETURN_IF_FAILED(model->add_groups());
    return Made(std::unique_ptr<const Model>(std::move(model)));
  });
}

Status Model::read_device() {
  cudaDeviceProp properties{};
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaGetDeviceProperties(&properties, device_), "device");
  processor_ = properties.name;
  limits_.block_bytes = properties.sharedMemPerBlockOptin;
  limits_.processors = static_cast<uint32_t>(properties.multiProcessorCount);
  return {};
}

Status Model::prepare(const format::FileView& file, const cordwood_tree_range* range,
                      plan::RowForm form) {
  plan::TreeRange part;
  const bool staged = range != nullptr && range->per_stage != 0;
  if (range != nullptr) {
    CORDWOOD_RETURN_IF_FAILED(plan::check_range(file, *range));
    part = {range->first, staged ? range->first + range->per_stage : range->last};
  }
  const uint32_t last = plan::last_trees(file);
  for (const plan::Step& step : steps_.steps()) {
    if (step.opcode != CORDWOOD_OP_TREE_ENSEMBLE) continue;
    Result<format::TreeArrays> arrays = format::expand_trees(file, step.record);
    if (!arrays) return arrays.status();
    if (form == plan::RowForm::kBins) {
      Result<plan::BinForm> binning = plan::BinForm::plan(*arrays);
      if (!binning) return binning.status();
      binning_.emplace(std::move(*binning));
    }
    const plan::BinForm* const binned = binning_ ? &*binning_ : nullptr;
    const bool partly = range != nullptr && step.record == last;
    Result<std::unique_ptr<DeviceTrees>> trees =
        !partly ? DeviceTrees::prepare(*arrays, binned, limits_)
        : binned != nullptr
            ? DeviceTrees::prepare(plan::take_trees_alone(*arrays, part), binned, limits_)
            : DeviceTrees::prepare(plan::take_trees(*arrays, part), nullptr, limits_);
    CORDWOOD_RETURN_IF_FAILED(trees.status());
    trees_.push_back(std::move(*trees));
    if (partly && staged) CORDWOOD_RETURN_IF_FAILED(prepare_stages(*arrays, *range));
  }
  return {};
}

Status Model::prepare_stages(const format::TreeArrays& all, const cordwood_tree_range& range) {
  n_stages_ = (range.last - range.first) / range.per_stage;
  for (uint64_t stage = 1; stage < n_stages_; ++stage) {
    const uint64_t first = range.first + stage * range.per_stage;
    const plan::TreeRange part = {first, first + range.per_stage};
    Result<std::unique_ptr<DeviceTrees>> trees =
        binning_ ? DeviceTrees::prepare(plan::take_trees_alone(all, part), &*binning_, limits_)
                 : DeviceTrees::prepare(plan::take_trees(all, part), nullptr, limits_);
    CORDWOOD_RETURN_IF_FAILED(trees.status());
    later_.push_back(std::move(*trees));
  }
  return {};
}

Status Model::add_groups() {
  for (const plan::Step& step : steps_.steps()) group_place_.push_back(groups_.add(step.groups));
  return groups_.upload();
}

plan::ValueInfo Model::target_info(const plan::Target& target) const noexcept {
  if (!target.leaves) return steps_.values()[target.value];
  return {.dtype = CORDWOOD_DTYPE_INT32,
          .role = CORDWOOD_ROLE_NONE,
          .rank = 2,
          .columns = trees().attributes().n_trees};
}

uint64_t Model::n_trees() const noexcept {
  uint64_t count = 0;
  for (const auto& trees : trees_) count += trees->attributes().n_trees;
  for (const auto& trees : later_) count += trees->attributes().n_trees;
  return count;
}

uint64_t Model::resident_bytes() const noexcept {
  uint64_t bytes = groups_.bytes();
  for (const auto& trees : trees_) bytes += trees->resident_bytes();
  for (const auto& trees : later_) bytes += trees->resident_bytes();
  return bytes;
}

uint64_t Model::n_features() const noexcept {
  return binning_ ? binning_->n_columns() : steps_.n_features();
}

bool Model::refuses() const noexcept {
  return !binning_ &&
         std::ranges::any_of(trees_, [](const auto& trees) { return trees->rule().refuses(); });
}

}  // namespace cordwood::cuda
