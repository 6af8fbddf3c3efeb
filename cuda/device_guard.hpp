// Makes a device the calling thread's current one for a while: the caller may have set another.
#pragma once

#include <cuda_runtime.h>

#include "base/result.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {

/// Sets a device and, at its end, the one that was current before. To be used only where status() is
/// ok; it changes nothing where it is not.
class [[nodiscard]] DeviceGuard {
 public:
  explicit DeviceGuard(int device) noexcept {
    status_ = status_of(cudaGetDevice(&before_), "device");
    if (!status_.ok() || before_ == device) return;
    status_ = status_of(cudaSetDevice(device), "device");
    changed_ = status_.ok();
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;
  ~DeviceGuard() {
    if (changed_) note(cudaSetDevice(before_));
  }

  [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
  Status status_;
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace cordwood::cuda
