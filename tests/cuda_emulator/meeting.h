// A thread as one that waits for others, and what they exchange when they meet.
#pragma once

#include <string>

#include "device_threads.h"

namespace cuda_emulator {

struct Meeter {
  enum class State : unsigned char { kReady, kAtBlock, kInWarp, kExited };

  State state = State::kReady;
  Meeting meeting = Meeting::kBlock;
  unsigned int mask = 0;
  unsigned int source = 0;
  unsigned long long value = 0;
  unsigned long long result = 0;
  Place place;

  void wait(State state_, Meeting meeting_, unsigned int mask_, unsigned long long value_,
            unsigned int source_, const Place& place_) {
    state = state_;
    meeting = meeting_;
    mask = mask_;
    source = source_;
    value = value_;
    place = place_;
  }
};

// Whether two that wait do so in the same way and at the same place in the source.
bool meets(const Meeter& one, const Meeter& other);

// What a block's barrier tells each of its threads, `true_count` of which brought a value.
unsigned long long block_result(Meeting meeting, unsigned int true_count, int threads);

// If all lanes of the mask of `last` have come, they get their results and become ready. A lane that
// the block does not have is null.
void meet_lanes(Meeter* const (&lanes)[32], const Meeter& last);

// "waits at __syncthreads, file:line in function".
std::string describe_wait(const Meeter& waiting);
std::string describe_place(const Place& place);

}  // namespace cuda_emulator
