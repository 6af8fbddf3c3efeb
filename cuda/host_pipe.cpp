#include "cuda/host_pipe.hpp"

#include <algorithm>

#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

constexpr const char* kAnswers = "answers";

constexpr uint64_t n_pieces(uint64_t bytes) noexcept {
  return (bytes + kSlotBytes - 1) / kSlotBytes;
}

}  // namespace

HostPipe::~HostPipe() {
  for (const Slot& slot : slots_) {
    if (slot.done != nullptr) note(cudaEventDestroy(slot.done));
  }
}

Status HostPipe::open(cudaStream_t stream) noexcept {
  stream_ = stream;
  return memory_.reserve(slots_.size() * kSlotBytes);
}

/// Lets the host wait for the copy of a slot alone.
Status HostPipe::mark(uint64_t number, const char* place) noexcept {
  Slot& slot = slots_[number];
  if (slot.done == nullptr) {
    CORDWOOD_RETURN_IF_CUDA_FAILED(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming),
                                   place);
  }
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaEventRecord(slot.done, stream_), place);
  slot.state = State::kMarked;
  return {};
}

/// Makes a slot the host's again.
Status HostPipe::wait(uint64_t number, const char* place) noexcept {
  Slot& slot = slots_[number];
  if (slot.state == State::kIdle) return {};
  if (slot.state == State::kFlying) return wait_for_all(place);
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaEventSynchronize(slot.done), place);
  slot.state = State::kIdle;
  return {};
}

Status HostPipe::wait_for_all(const char* place) noexcept {
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamSynchronize(stream_), place);
  for (Slot& slot : slots_) slot.state = State::kIdle;
  return {};
}

Status HostPipe::send(const LineForm& form, const std::byte* here, std::byte* there,
                      const char* place) noexcept {
  const uint64_t bytes = form.bytes();
  for (uint64_t first = 0; first < bytes; first += kSlotBytes) {
    const uint64_t part = std::min(kSlotBytes, bytes - first);
    const uint64_t number = turn_;
    turn_ ^= 1;
    CORDWOOD_RETURN_IF_FAILED(wait(number, place));
    pack_piece(form, here, first, part, slot(number));
    slots_[number].state = State::kFlying;
    CORDWOOD_RETURN_IF_CUDA_FAILED(
        cudaMemcpyAsync(there + first, slot(number), part, cudaMemcpyHostToDevice, stream_), place);
    if (bytes > kSlotBytes) CORDWOOD_RETURN_IF_FAILED(mark(number, place));
  }
  return {};
}

uint64_t HostPipe::piece_bytes(uint64_t piece) const noexcept {
  return std::min(kSlotBytes, fetched_bytes_ - piece * kSlotBytes);
}

/// The slot may still be read by a copy to the device: the stream keeps the order of the two.
Status HostPipe::ask(uint64_t piece) noexcept {
  const uint64_t number = piece % slots_.size();
  slots_[number].state = State::kFlying;
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaMemcpyAsync(slot(number), fetched_ + piece * kSlotBytes, piece_bytes(piece),
                      cudaMemcpyDeviceToHost, stream_),
      kAnswers);
  return fetched_bytes_ > kSlotBytes ? mark(number, kAnswers) : Status{};
}

Result<const std::byte*> HostPipe::fetch(const std::byte* there, uint64_t bytes) noexcept {
  fetched_ = there;
  fetched_bytes_ = bytes;
  for (uint64_t piece = 0; piece < std::min(n_pieces(bytes), slots_.size()); ++piece) {
    CORDWOOD_RETURN_IF_FAILED(ask(piece));
  }
  CORDWOOD_RETURN_IF_FAILED(bytes == 0 ? wait_for_all(kAnswers) : wait(0, kAnswers));
  return slot(0);
}

Status HostPipe::deliver(std::span<const Delivery> deliveries) noexcept {
  for (uint64_t piece = 0; piece < n_pieces(fetched_bytes_); ++piece) {
    const uint64_t number = piece % slots_.size();
    CORDWOOD_RETURN_IF_FAILED(wait(number, kAnswers));
    const std::byte* const start = fetched_ + piece * kSlotBytes;
    const std::byte* const end = start + piece_bytes(piece);
    for (const Delivery& delivery : deliveries) {
      const std::byte* const from = std::max(start, delivery.there);
      const std::byte* const to = std::min(end, delivery.there + delivery.form.bytes());
      if (from >= to) continue;
      unpack_piece(delivery.form, slot(number) + (from - start),
                   static_cast<uint64_t>(from - delivery.there), static_cast<uint64_t>(to - from),
                   delivery.here);
    }
    if (piece + slots_.size() < n_pieces(fetched_bytes_)) {
      CORDWOOD_RETURN_IF_FAILED(ask(piece + slots_.size()));
    }
  }
  return {};
}

}  // namespace cordwood::cuda
