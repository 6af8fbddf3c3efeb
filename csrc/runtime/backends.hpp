// The devices of this process, and models loaded on one. Whoever runs a model does it through its
// device's table; a loaded model keeps the pointer to it, so that predicting looks nothing up.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "format/view.hpp"
#include "runtime/backend.h"

namespace cordwood::runtime {

/// Most devices of a process, the CPU included.
inline constexpr std::size_t kMaxBackends = 8;

/// A registered device: its table, and its place among the others.
struct Device {
  const cordwood_backend* backend = nullptr;
  std::size_t place = 0;
};

/// The device at a place; its table is null from the first free place on.
[[nodiscard]] Device device_at(std::size_t place) noexcept;

/// Adds a device for the rest of the process. Refuses, in words, a table that does not fit this build,
/// one that lacks a function, and a name that is taken. The table must stay as it is.
[[nodiscard]] int32_t register_backend(const cordwood_backend* backend,
                                       cordwood_message& why) noexcept;

/// Finds a device by name; a null table, and the names that there are, where nobody registered it.
[[nodiscard]] Device find_device(std::string_view name, cordwood_message& why) noexcept;

/// A model loaded on a device, released with its last owner.
class DeviceModel {
 public:
  /// Null on failure, with the code and the words. The bytes of `file` may go once this returns.
  /// `trees` is null for all of them; with `binned` rows are bins.
  static std::shared_ptr<const DeviceModel> load(const Device& device, const format::FileView& file,
                                                 const cordwood_tree_range* trees, bool binned,
                                                 int32_t& code, cordwood_message& why) noexcept;

  ~DeviceModel() {
    if (model_ != nullptr) device_.backend->release(model_);
  }
  DeviceModel(const DeviceModel&) = delete;
  DeviceModel& operator=(const DeviceModel&) = delete;

  /// Answers rows with a target that the facts list, in a context of the same device.
  [[nodiscard]] int32_t run(cordwood_backend_context* context, const cordwood_rows& rows,
                            cordwood_target target, void* out, unsigned threads,
                            cordwood_message& why) const noexcept {
    return device_.backend->run(model_, context, &rows, target, out, threads, &why);
  }

  /// The same for rows and an answer in the device's memory, in the order of one of its streams.
  [[nodiscard]] int32_t run_there(cordwood_backend_context* context, const cordwood_rows& rows,
                                  cordwood_target target, void* out, uint64_t stream,
                                  cordwood_message& why) const noexcept;

  /// One stage of a model that was loaded with stages; `stage` is below their number.
  [[nodiscard]] int32_t stage(cordwood_backend_context* context, const cordwood_rows& rows,
                              uint64_t stage, cordwood_target target, void* margin, void* out,
                              unsigned threads, cordwood_message& why) const noexcept {
    return device_.backend->stage(model_, context, &rows, stage, target, margin, out, threads,
                                  &why);
  }

  /// Bins rows of values; only where rows are bins.
  [[nodiscard]] int32_t bin(cordwood_backend_context* context, const cordwood_rows& rows, void* out,
                            uint64_t step, unsigned threads, cordwood_message& why) const noexcept {
    return device_.backend->bin(model_, context, &rows, out, step, threads, &why);
  }

  /// Types and shapes of a net's outputs for inputs of these.
  [[nodiscard]] int32_t shape_net(cordwood_backend_context* context,
                                  std::span<const cordwood_array> inputs,
                                  std::span<cordwood_array> outputs,
                                  cordwood_message& why) const noexcept {
    return device_.backend->shape_net(model_, context, inputs.data(),
                                      static_cast<uint32_t>(inputs.size()), outputs.data(),
                                      static_cast<uint32_t>(outputs.size()), &why);
  }

  /// Runs a net; adds to `seconds`, where it is not null, the time of each operator.
  [[nodiscard]] int32_t run_net(cordwood_backend_context* context,
                                std::span<const cordwood_array> inputs,
                                std::span<const cordwood_array> outputs, unsigned threads,
                                double* seconds, cordwood_message& why) const noexcept {
    return device_.backend->run_net(model_, context, inputs.data(),
                                    static_cast<uint32_t>(inputs.size()), outputs.data(),
                                    static_cast<uint32_t>(outputs.size()), threads, seconds, &why);
  }

  /// Whether calls, and the release, may wait for work of others: that of a device of its own memory.
  [[nodiscard]] bool may_wait() const noexcept { return device_.backend->run_there != nullptr; }

  [[nodiscard]] const Device& device() const noexcept { return device_; }
  [[nodiscard]] const cordwood_facts& facts() const noexcept { return facts_; }

 private:
  explicit DeviceModel(const Device& device) noexcept : device_(device) {}

  Device device_;
  cordwood_backend_model* model_ = nullptr;
  cordwood_facts facts_{};
};

/// Scratch of one caller on every device that it uses; made when first needed.
class DeviceContexts {
 public:
  DeviceContexts() noexcept = default;
  ~DeviceContexts();
  DeviceContexts(const DeviceContexts&) = delete;
  DeviceContexts& operator=(const DeviceContexts&) = delete;

  /// The scratch for one device.
  [[nodiscard]] int32_t prepare(const Device& device, cordwood_backend_context*& context,
                                cordwood_message& why) noexcept {
    context = contexts_[device.place];
    return context != nullptr ? CORDWOOD_STATUS_ok : create(device, context, why);
  }

 private:
  int32_t create(const Device& device, cordwood_backend_context*& context,
                 cordwood_message& why) noexcept;

  std::array<cordwood_backend_context*, kMaxBackends> contexts_{};
};

/// Puts a failure into words for the far side of a table; returns its code.
int32_t explain(const Status& status, cordwood_message& why) noexcept;

}  // namespace cordwood::runtime
