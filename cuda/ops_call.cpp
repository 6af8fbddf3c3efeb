#include "cuda/ops_call.hpp"

#include "cuda/status.hpp"

namespace cordwood::cuda {

Result<int> device_of(std::initializer_list<const void*> arrays) noexcept {
  int device = -1;
  for (const void* array : arrays) {
    if (array == nullptr) continue;
    cudaPointerAttributes attributes{};
    CORDWOOD_RETURN_IF_CUDA_FAILED(cudaPointerGetAttributes(&attributes, array), "arrays");
    if (attributes.type != cudaMemoryTypeManaged && attributes.type != cudaMemoryTypeDevice) {
      return fail(CORDWOOD_STATUS_device_not_available, "arrays",
                  "an address of the host's memory, expected one of a CUDA device; pass the array "
                  "of the host itself");
    }
    if (device >= 0 && attributes.device != device) {
      return fail(CORDWOOD_STATUS_device_not_available, "arrays",
                  "in the memory of devices {} and {}; copy them to one of them", device,
                  attributes.device);
    }
    device = attributes.device;
  }
  return device;
}

Status PlaceOnDevice::open(uint64_t bytes, cudaStream_t stream) noexcept {
  stream_ = stream;
  CORDWOOD_RETURN_IF_FAILED(memory_.reserve(kLine + bytes, stream));
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaMemsetAsync(memory_.data(), 0xFF, sizeof(unsigned long long), stream), "arrays");
  return {};
}

Result<uint64_t> PlaceOnDevice::wait() noexcept {
  unsigned long long found = kNoPlace;
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaMemcpyAsync(&found, place(), sizeof found, cudaMemcpyDeviceToHost, stream_), "arrays");
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamSynchronize(stream_), "arrays");
  return uint64_t{found};
}

}  // namespace cordwood::cuda
