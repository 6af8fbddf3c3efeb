#include "cuda/context.hpp"

#include "cuda/status.hpp"

namespace cordwood::cuda {

Desk::~Desk() {
  if (stream_ == nullptr) return;
  note(cudaStreamSynchronize(stream_));
  work = {};  // blocks in the stream's order go before the stream
  rows = {};
  note(cudaStreamDestroy(stream_));
}

Status Desk::open() noexcept {
  if (stream_ == nullptr) {
    CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
                                   "stream of a caller");
  }
  return pipe.open(stream_);
}

Result<Desk*> Context::desk(int device) noexcept {
  return guard_memory("scratch of a device", [&]() -> Result<Desk*> {
    const auto place = static_cast<std::size_t>(device);
    if (desks_.size() <= place) desks_.resize(place + 1);
    if (desks_[place] == nullptr) desks_[place] = std::make_unique<Desk>();
    return desks_[place].get();
  });
}

}  // namespace cordwood::cuda
