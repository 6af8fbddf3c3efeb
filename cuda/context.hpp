// Scratch of one caller at a time, on every device that it uses.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "cuda/host_pipe.hpp"
#include "cuda/memory.hpp"

namespace cordwood::cuda {

/// On one device: a stream for calls on rows of the host, and what they need there.
class Desk {
 public:
  Desk() noexcept = default;
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  ~Desk();

  /// Begins a call: makes what there is not yet; the device must be the current one.
  Status open() noexcept;

  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }

  DeviceBuffer rows;  ///< and answers
  DeviceBuffer work;  ///< what steps pass on
  HostPipe pipe;      ///< the way of both
  PinnedBuffer line;  ///< what was refused of rows that lie on the device

 private:
  cudaStream_t stream_ = nullptr;
};

class Context {
 public:
  /// The desk of a device.
  Result<Desk*> desk(int device) noexcept;

 private:
  std::vector<std::unique_ptr<Desk>> desks_;  ///< by device; null where none was needed
};

}  // namespace cordwood::cuda
