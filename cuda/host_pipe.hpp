// The way of one caller's arrays between the host's memory and the device's, piece by piece over two
// pinned slots: while the device copies one slot, the host packs or empties the other.
//
//   caller's memory -- host --> slot 0 | slot 1 -- device, in the order of a stream --> device's memory
//
// Each array is packed (host_lines.hpp) and cut wherever a slot is full. What fits one slot records no
// event and waits for none: a single row costs its copies and the wait for the answer.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "cuda/host_lines.hpp"
#include "cuda/memory.hpp"

namespace cordwood::cuda {

#ifndef CORDWOOD_CUDA_SLOT_BYTES
#define CORDWOOD_CUDA_SLOT_BYTES (uint64_t{4} << 20)
#endif
/// Far more than a copy's fixed cost, and what a processor's own cache may hold until the copy reads it.
/// Tests build with less, so that small batches have many pieces.
inline constexpr uint64_t kSlotBytes = CORDWOOD_CUDA_SLOT_BYTES;
static_assert(kSlotBytes % kLine == 0, "slots and pieces start on a line");

/// An array of the device, packed, and where its items belong on the host.
struct Delivery {
  const std::byte* there = nullptr;
  std::byte* here = nullptr;
  LineForm form{};
};

class HostPipe {
 public:
  HostPipe() noexcept = default;
  HostPipe(const HostPipe&) = delete;
  HostPipe& operator=(const HostPipe&) = delete;
  /// Nothing may be under way: the stream's owner has waited for it.
  ~HostPipe();

  /// Begins a call: makes the slots where there are none. The stream is the same each time, its device the
  /// current one. What a call that failed has left under way is waited for when its slot is used again.
  Status open(cudaStream_t stream) noexcept;

  /// Sends items of the host to `there`, packed. When it returns they have been read, and what the stream
  /// is given next finds them. `place` is a string literal.
  Status send(const LineForm& form, const std::byte* here, std::byte* there,
              const char* place) noexcept;

  /// Asks for `bytes` from `there` on, and waits until the first of them are here, as many as a slot
  /// holds: they lie at what it returns, and all that the stream was given before is done.
  Result<const std::byte*> fetch(const std::byte* there, uint64_t bytes) noexcept;

  /// Hands over what fetch() has asked for, and waits for the rest of it. Deliveries lie within those bytes,
  /// at multiples of their items.
  Status deliver(std::span<const Delivery> deliveries) noexcept;

 private:
  enum class State : uint8_t {
    kIdle,    ///< the host's
    kFlying,  ///< a copy may be under way, and nothing but the whole stream tells when it is done
    kMarked,  ///< as kFlying, and the slot's event tells
  };
  struct Slot {
    cudaEvent_t done = nullptr;
    State state = State::kIdle;
  };

  [[nodiscard]] std::byte* slot(uint64_t number) const noexcept {
    return memory_.data() + number * kSlotBytes;
  }
  [[nodiscard]] uint64_t piece_bytes(uint64_t piece) const noexcept;
  Status mark(uint64_t number, const char* place) noexcept;
  Status wait(uint64_t number, const char* place) noexcept;
  Status wait_for_all(const char* place) noexcept;
  Status ask(uint64_t piece) noexcept;

  cudaStream_t stream_ = nullptr;
  PinnedBuffer memory_;
  std::array<Slot, 2> slots_;
  uint64_t turn_ = 0;                   ///< the slot that the next piece goes to
  const std::byte* fetched_ = nullptr;  ///< what fetch() has asked for
  uint64_t fetched_bytes_ = 0;
};

}  // namespace cordwood::cuda
