#include "cuda/availability.hpp"

#include <cuda_runtime.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

constexpr const char* kPlace = "NVIDIA driver";

/// Versions come as 1000 * major + 10 * minor.
struct Version {
  int major_part;
  int minor_part;
  explicit constexpr Version(int number) noexcept
      : major_part(number / 1000), minor_part(number % 1000 / 10) {}
};

/// What the first question found.
class Finding {
 public:
  Finding() noexcept : process_(::getpid()) { look(); }

  [[nodiscard]] const char* reason() const noexcept { return found_ ? nullptr : reason_.data(); }
  [[nodiscard]] pid_t process() const noexcept { return process_; }

 private:
  void look() noexcept {
    int driver = 0;
    int count = 0;
    const cudaError_t asked = cudaDriverGetVersion(&driver);
    if (asked == cudaSuccess && driver == 0) {
      say("no NVIDIA driver: libcuda.so.1 is not on this machine");
      return;
    }
    const cudaError_t counted = asked == cudaSuccess ? cudaGetDeviceCount(&count) : asked;
    const Version have(driver);
    const Version need(CUDART_VERSION);
    if (counted == cudaErrorInsufficientDriver) {
      note(counted);
      say("the NVIDIA driver is for CUDA %d.%d, which is older than %d.%d of this build; install a "
          "newer driver",
          have.major_part, have.minor_part, need.major_part, need.minor_part);
    } else if (counted == cudaErrorNoDevice || (counted == cudaSuccess && count == 0)) {
      note(counted);
      say("no CUDA device: there is none, or CUDA_VISIBLE_DEVICES hides it");
    } else if (counted != cudaSuccess) {
      say("%s", render(status_of(counted, kPlace)).c_str());
    } else {
      judge_device();
    }
  }

  void judge_device() noexcept {
    int major_part = 0;
    int minor_part = 0;
    cudaError_t error =
        cudaDeviceGetAttribute(&major_part, cudaDevAttrComputeCapabilityMajor, kDevice);
    if (error == cudaSuccess) {
      error = cudaDeviceGetAttribute(&minor_part, cudaDevAttrComputeCapabilityMinor, kDevice);
    }
    if (error != cudaSuccess) {
      say("%s", render(status_of(error, kPlace)).c_str());
    } else if (major_part < kOldestMajor) {
      say("the CUDA device has compute capability %d.%d, expected %d.0 or later; use "
          "device=\"cpu\"",
          major_part, minor_part, kOldestMajor);
    } else {
      judge_pools();
    }
  }

  /// Scratch comes in the order of a stream, which takes pools; some virtual devices have none.
  void judge_pools() noexcept {
    int pools = 0;
    const cudaError_t error =
        cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, kDevice);
    if (error != cudaSuccess) {
      say("%s", render(status_of(error, kPlace)).c_str());
    } else if (pools == 0) {
      say("the CUDA device has no memory pools, as some virtual ones; use device=\"cpu\"");
    } else {
      found_ = true;
    }
  }

  template <class... Arguments>
  void say(const char* format, Arguments... arguments) noexcept {
    std::snprintf(reason_.data(), reason_.size(), format, arguments...);
  }

  std::array<char, sizeof(StatusMessage)> reason_{};
  bool found_ = false;
  pid_t process_;
};

}  // namespace

const char* availability() noexcept {
  static const Finding finding;
  if (finding.reason() != nullptr) return finding.reason();
  if (context_lost()) {
    return "an earlier failure cost this process its context on the CUDA device; start a new "
           "process";
  }
  if (::getpid() != finding.process()) {
    return "this process was forked from one that had started CUDA, which does not survive that; "
           "start processes with the method spawn";
  }
  return nullptr;
}

}  // namespace cordwood::cuda
