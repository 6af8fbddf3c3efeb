// What a kernel knows of its place, and where its threads meet: barriers and warp primitives.
//
// Each meeting carries its place in the source. Threads meet only at the same place with the same
// mask; anything else is undefined on a device, and ends the launch here.
#pragma once

#include <bit>
#include <source_location>

#include "vector_types.h"

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

namespace cuda_emulator {

enum class Meeting : unsigned char {
  kBlock,
  kBlockCount,
  kBlockAnd,
  kBlockOr,
  kWarp,
  kShuffle,
  kBallot,
  kSum,
  kMinSigned,
  kMaxSigned,
  kMinUnsigned,
  kMaxUnsigned,
  kAnd,
  kOr,
  kXor,
};

using Place = std::source_location;

unsigned int lane_of_thread();
unsigned int meet_block(Meeting meeting, bool value, const Place& place);
// `source` is the lane whose value a shuffle brings.
unsigned long long meet_warp(Meeting meeting, unsigned int mask, unsigned long long value,
                             unsigned int source, const Place& place);
// Does not return, but a sanitizer would look for this stack's bounds if it were told.
void fail_thread(const char* why, const Place& place);

template <class T>
T shuffle(unsigned int mask, T value, unsigned int source, const Place& place) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  if constexpr (sizeof(T) == 4) {
    const unsigned long long bits = std::bit_cast<unsigned int>(value);
    const unsigned long long got = meet_warp(Meeting::kShuffle, mask, bits, source, place);
    return std::bit_cast<T>(static_cast<unsigned int>(got));
  } else {
    const auto bits = std::bit_cast<unsigned long long>(value);
    return std::bit_cast<T>(meet_warp(Meeting::kShuffle, mask, bits, source, place));
  }
}

}  // namespace cuda_emulator

inline void __syncthreads(cuda_emulator::Place place = cuda_emulator::Place::current()) {
  cuda_emulator::meet_block(cuda_emulator::Meeting::kBlock, false, place);
}

inline int __syncthreads_count(int value,
                               cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return static_cast<int>(
      cuda_emulator::meet_block(cuda_emulator::Meeting::kBlockCount, value != 0, place));
}

inline int __syncthreads_and(int value,
                             cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return static_cast<int>(
      cuda_emulator::meet_block(cuda_emulator::Meeting::kBlockAnd, value != 0, place));
}

inline int __syncthreads_or(int value,
                            cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return static_cast<int>(
      cuda_emulator::meet_block(cuda_emulator::Meeting::kBlockOr, value != 0, place));
}

inline void __syncwarp(unsigned int mask = 0xffffffffu,
                       cuda_emulator::Place place = cuda_emulator::Place::current()) {
  cuda_emulator::meet_warp(cuda_emulator::Meeting::kWarp, mask, 0, 0, place);
}

template <class T>
inline T __shfl_sync(unsigned int mask, T value, int lane, int width = 32,
                     cuda_emulator::Place place = cuda_emulator::Place::current()) {
  const unsigned int within = static_cast<unsigned int>(width) - 1;
  const unsigned int source =
      (cuda_emulator::lane_of_thread() & ~within) | (static_cast<unsigned int>(lane) & within);
  return cuda_emulator::shuffle(mask, value, source, place);
}

template <class T>
inline T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32,
                        cuda_emulator::Place place = cuda_emulator::Place::current()) {
  const unsigned int within = static_cast<unsigned int>(width) - 1;
  const unsigned int lane = cuda_emulator::lane_of_thread();
  const bool inside = (lane & within) >= delta;
  return cuda_emulator::shuffle(mask, value, inside ? lane - delta : lane, place);
}

template <class T>
inline T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32,
                          cuda_emulator::Place place = cuda_emulator::Place::current()) {
  const unsigned int within = static_cast<unsigned int>(width) - 1;
  const unsigned int lane = cuda_emulator::lane_of_thread();
  const bool inside = delta <= within - (lane & within);
  return cuda_emulator::shuffle(mask, value, inside ? lane + delta : lane, place);
}

template <class T>
inline T __shfl_xor_sync(unsigned int mask, T value, int lane_bits, int width = 32,
                         cuda_emulator::Place place = cuda_emulator::Place::current()) {
  const unsigned int lane = cuda_emulator::lane_of_thread();
  const unsigned int last = lane | (static_cast<unsigned int>(width) - 1);
  const unsigned int source = lane ^ static_cast<unsigned int>(lane_bits);
  return cuda_emulator::shuffle(mask, value, source <= last ? source : lane, place);
}

inline unsigned int __ballot_sync(unsigned int mask, int value,
                                  cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return static_cast<unsigned int>(
      cuda_emulator::meet_warp(cuda_emulator::Meeting::kBallot, mask, value != 0, 0, place));
}

inline int __any_sync(unsigned int mask, int value,
                      cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return __ballot_sync(mask, value, place) != 0;
}

inline int __all_sync(unsigned int mask, int value,
                      cuda_emulator::Place place = cuda_emulator::Place::current()) {
  return __ballot_sync(mask, value, place) == mask;
}

#define EMULATED_REDUCE(name, type, meeting)                                                       \
  inline type name(unsigned int mask, type value,                                                  \
                   cuda_emulator::Place place = cuda_emulator::Place::current()) {                 \
    return static_cast<type>(cuda_emulator::meet_warp(                                             \
        cuda_emulator::Meeting::meeting, mask, static_cast<unsigned int>(value), 0, place));       \
  }

EMULATED_REDUCE(__reduce_add_sync, unsigned int, kSum)
EMULATED_REDUCE(__reduce_add_sync, int, kSum)
EMULATED_REDUCE(__reduce_min_sync, unsigned int, kMinUnsigned)
EMULATED_REDUCE(__reduce_min_sync, int, kMinSigned)
EMULATED_REDUCE(__reduce_max_sync, unsigned int, kMaxUnsigned)
EMULATED_REDUCE(__reduce_max_sync, int, kMaxSigned)
EMULATED_REDUCE(__reduce_and_sync, unsigned int, kAnd)
EMULATED_REDUCE(__reduce_or_sync, unsigned int, kOr)
EMULATED_REDUCE(__reduce_xor_sync, unsigned int, kXor)

#undef EMULATED_REDUCE

// One thread runs at a time; only the compiler could move memory accesses over a fence.
inline void __threadfence() {
  asm volatile("" ::: "memory");
}
inline void __threadfence_block() {
  asm volatile("" ::: "memory");
}
inline void __threadfence_system() {
  asm volatile("" ::: "memory");
}

// A launch begins when the one before has ended.
inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}

inline void __trap(cuda_emulator::Place place = cuda_emulator::Place::current()) {
  cuda_emulator::fail_thread("__trap()", place);
}
