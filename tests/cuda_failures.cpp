// Prints what becomes of each error of the CUDA runtime, before that of calls that fail without a device.
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "cuda/device_guard.hpp"
#include "cuda/memory.hpp"
#include "cuda/status.hpp"

namespace cw = cordwood;

namespace {

void print(const char* name, const cw::Status& status) {
  std::printf("%s\t%s\t%s\t%d\n", name, cw::status_name(status.code), cw::render(status).c_str(),
              cw::cuda::context_lost() ? 1 : 0);
}

cw::Status checked(cudaError_t error) {
  CORDWOOD_RETURN_IF_CUDA_FAILED(error, "macro");
  return {};
}

}  // namespace

int main() {
  cw::cuda::DeviceBuffer buffer;
  cw::cuda::PinnedBuffer pinned;
  print("nothing", buffer.reserve(0));
  print("too many", buffer.reserve(SIZE_MAX));
  print("too many pinned", pinned.reserve(SIZE_MAX - 1));
  print("device", buffer.reserve(100));
  print("stream", buffer.reserve(100, nullptr));
  print("pinned", pinned.reserve(100));
  print("guard", cw::cuda::DeviceGuard(1).status());
  print("huge", buffer.reserve(std::size_t{1} << 60));
  std::printf("left\t%s\t%zu bytes\t0\n", cudaGetErrorName(cudaGetLastError()), buffer.size());
  print("macro ok", checked(cudaSuccess));
  print("macro", checked(cudaErrorInvalidValue));

  // Those that lose the context come last: that is never forgotten.
  for (const bool loss : {false, true}) {
    for (int number = 1; number <= 999; ++number) {
      const auto error = static_cast<cudaError_t>(number);
      if (cw::cuda::loses_context(error) != loss) continue;
      print(cudaGetErrorName(error), cw::cuda::status_of(error, "here"));
    }
  }
}
