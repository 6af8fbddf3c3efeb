#include "runtime/backends.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "runtime/cpu_backend.hpp"

namespace cordwood::runtime {
namespace {

constexpr std::size_t kLongestName = 31;

// The one registry. Entries are added and never change: who finds one may keep it without a lock.
constinit std::array<std::atomic<const cordwood_backend*>, kMaxBackends - 1> others{};
constinit std::mutex registering;

/// Builds a message; what does not fit is cut.
class Words {
 public:
  explicit Words(cordwood_message& message) noexcept : message_(message) {
    message_.text[0] = '\0';
  }

  Words& put(std::string_view text) noexcept {
    const std::size_t room = sizeof message_.text - 1 - used_;
    const std::size_t count = std::min(room, text.size());
    std::memcpy(message_.text + used_, text.data(), count);
    used_ += count;
    message_.text[used_] = '\0';
    return *this;
  }

  Words& put(uint64_t number) noexcept {
    std::array<char, 24> digits;
    std::snprintf(digits.data(), digits.size(), "%llu", static_cast<unsigned long long>(number));
    return put(digits.data());
  }

  Words& put_devices() noexcept {
    for (std::size_t place = 0; device_at(place).backend != nullptr; ++place) {
      put(place == 0 ? "" : ", ").put(device_at(place).backend->name);
    }
    return *this;
  }

 private:
  cordwood_message& message_;
  std::size_t used_ = 0;
};

bool valid_name(const char* name) noexcept {
  if (name == nullptr) return false;
  const std::string_view text(name, strnlen(name, kLongestName + 1));
  return !text.empty() && text.size() <= kLongestName &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos;
}

/// Name of the first function that a table lacks, or null.
const char* missing_function(const cordwood_backend& backend) noexcept {
  if (backend.availability == nullptr) return "availability";
  if (backend.load == nullptr) return "load";
  if (backend.release == nullptr) return "release";
  if (backend.describe == nullptr) return "describe";
  if (backend.context_create == nullptr) return "context_create";
  if (backend.context_free == nullptr) return "context_free";
  if (backend.run == nullptr) return "run";
  if (backend.stage == nullptr) return "stage";
  return nullptr;
}

/// Whether a table can be called at all. Nothing past its size is read before the size is known.
bool usable(const cordwood_backend& backend, Words& words) noexcept {
  if (backend.abi_version != CORDWOOD_BACKEND_ABI) {
    words.put("backend: its ABI version is ").put(backend.abi_version).put(", this build has ");
    words.put(CORDWOOD_BACKEND_ABI).put("; build it against this cordwood's runtime/backend.h");
    return false;
  }
  if (backend.struct_bytes != sizeof(cordwood_backend)) {
    words.put("backend: its table has ").put(backend.struct_bytes).put(" bytes, expected ");
    words.put(sizeof(cordwood_backend)).put("; build it against this cordwood's runtime/backend.h");
    return false;
  }
  if (!valid_name(backend.name)) {
    words.put("backend: its name must be 1 to ").put(kLongestName);
    words.put(" of a-z, 0-9, '-' and '_'");
    return false;
  }
  if (const char* function = missing_function(backend)) {
    words.put("backend ").put(backend.name).put(": its function ").put(function);
    words.put(" is null; every function of the table is needed");
    return false;
  }
  return true;
}

}  // namespace

Device device_at(std::size_t place) noexcept {
  if (place == 0) return {&kCpuBackend, 0};
  if (place >= kMaxBackends) return {nullptr, place};
  return {others[place - 1].load(std::memory_order_acquire), place};
}

int32_t register_backend(const cordwood_backend* backend, cordwood_message& why) noexcept {
  Words words(why);
  if (backend == nullptr) {
    words.put("backend: a table was expected, null given");
    return CORDWOOD_STATUS_device_not_available;
  }
  if (!usable(*backend, words)) return CORDWOOD_STATUS_device_not_available;
  const std::lock_guard<std::mutex> lock(registering);
  std::size_t place = 0;
  for (; device_at(place).backend != nullptr; ++place) {
    if (std::strcmp(device_at(place).backend->name, backend->name) != 0) continue;
    words.put("backend ").put(backend->name).put(": a device of this name is registered already");
    return CORDWOOD_STATUS_device_not_available;
  }
  if (place == kMaxBackends) {
    words.put("backend ").put(backend->name).put(": this process has ").put(kMaxBackends);
    words.put(" devices already, which is the most: ").put_devices();
    return CORDWOOD_STATUS_device_not_available;
  }
  others[place - 1].store(backend, std::memory_order_release);
  return CORDWOOD_STATUS_ok;
}

Device find_device(std::string_view name, cordwood_message& why) noexcept {
  for (std::size_t place = 0;; ++place) {
    const Device device = device_at(place);
    if (device.backend == nullptr) break;
    if (name == device.backend->name) return device;
  }
  Words words(why);
  if (name == "cuda") {
    // The words of cordwood.cuda_available(), which a test compares.
    words.put(
        "device cuda: cordwood was built without CUDA: there was no compiler for it, or "
        "CORDWOOD_CUDA was OFF; `make cuda` in a checkout builds it");
  } else {
    words.put("device \"").put(name.substr(0, 2 * kLongestName)).put("\": nobody registered it");
  }
  words.put("; this process has: ").put_devices();
  return {};
}

std::shared_ptr<const DeviceModel> DeviceModel::load(const Device& device,
                                                     const format::FileView& file,
                                                     const cordwood_tree_range* trees, bool binned,
                                                     int32_t& code,
                                                     cordwood_message& why) noexcept {
  const cordwood_backend& backend = *device.backend;
  if (const char* reason = backend.availability()) {
    Words(why).put("device ").put(backend.name).put(": ").put(reason);
    code = CORDWOOD_STATUS_device_not_available;
    return nullptr;
  }
  if (binned && (backend.load_binned == nullptr || backend.bin == nullptr)) {
    Words words(why);
    words.put("binned rows: the device ").put(backend.name);
    words.put(" takes none; pass the rows themselves");
    code = CORDWOOD_STATUS_output_not_available;
    return nullptr;
  }
  if (file.is_net() && (backend.shape_net == nullptr || backend.run_net == nullptr)) {
    Words words(why);
    words.put("nets: the device ").put(backend.name);
    words.put(" runs none; load it on the cpu");
    code = CORDWOOD_STATUS_output_not_available;
    return nullptr;
  }
  std::shared_ptr<DeviceModel> loaded;
  const Status memory = guard_memory("model", [&]() -> Status {
    loaded.reset(new DeviceModel(device));
    return {};
  });
  if (!memory.ok()) {
    code = explain(memory, why);
    return nullptr;
  }
  code = (binned ? backend.load_binned : backend.load)(file.bytes.data(), file.bytes.size(), trees,
                                                       &loaded->model_, &why);
  if (code != CORDWOOD_STATUS_ok) return nullptr;
  backend.describe(loaded->model_, &loaded->facts_);
  return loaded;
}

int32_t DeviceModel::run_there(cordwood_backend_context* context, const cordwood_rows& rows,
                               cordwood_target target, void* out, uint64_t stream,
                               cordwood_message& why) const noexcept {
  const cordwood_backend& backend = *device_.backend;
  if (backend.run_there == nullptr) {
    Words words(why);
    words.put("rows: they lie in a device's memory, and the device ").put(backend.name);
    words.put(" reads the host's alone; copy them there");
    return CORDWOOD_STATUS_output_not_available;
  }
  return backend.run_there(model_, context, &rows, target, out, stream, &why);
}

DeviceContexts::~DeviceContexts() {
  for (std::size_t place = 0; place < contexts_.size(); ++place) {
    if (contexts_[place] != nullptr) device_at(place).backend->context_free(contexts_[place]);
  }
}

int32_t DeviceContexts::create(const Device& device, cordwood_backend_context*& context,
                               cordwood_message& why) noexcept {
  const int32_t code = device.backend->context_create(&context, &why);
  if (code == CORDWOOD_STATUS_ok) contexts_[device.place] = context;
  return code;
}

int32_t explain(const Status& status, cordwood_message& why) noexcept {
  const StatusMessage message = render(status);
  static_assert(sizeof message.characters == sizeof why.text);
  std::memcpy(why.text, message.c_str(), sizeof why.text);
  return status.code;
}

}  // namespace cordwood::runtime
