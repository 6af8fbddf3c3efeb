#include "meeting.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "allocations.h"
#include "device_limits.h"

namespace cuda_emulator {
namespace {

const char* name_of(Meeting meeting) {
  switch (meeting) {
    case Meeting::kBlock:
      return "__syncthreads";
    case Meeting::kBlockCount:
      return "__syncthreads_count";
    case Meeting::kBlockAnd:
      return "__syncthreads_and";
    case Meeting::kBlockOr:
      return "__syncthreads_or";
    case Meeting::kWarp:
      return "__syncwarp";
    case Meeting::kShuffle:
      return "a shuffle";
    case Meeting::kBallot:
      return "a vote";
    default:
      return "a reduction";
  }
}

unsigned int combined(Meeting meeting, unsigned int x, unsigned int y) {
  const auto signed_x = static_cast<int>(x);
  const auto signed_y = static_cast<int>(y);
  switch (meeting) {
    case Meeting::kSum:
      return x + y;
    case Meeting::kMinSigned:
      return static_cast<unsigned int>(std::min(signed_x, signed_y));
    case Meeting::kMaxSigned:
      return static_cast<unsigned int>(std::max(signed_x, signed_y));
    case Meeting::kMinUnsigned:
      return std::min(x, y);
    case Meeting::kMaxUnsigned:
      return std::max(x, y);
    case Meeting::kAnd:
      return x & y;
    case Meeting::kXor:
      return x ^ y;
    default:
      return x | y;
  }
}

bool is_named(unsigned int mask, int lane) {
  return (mask >> lane & 1u) != 0;
}

// Every lane's value in one word: a ballot's bits, or a reduction's result.
unsigned int gathered(Meeter* const (&lanes)[32], Meeting meeting, unsigned int mask) {
  unsigned int word = 0;
  bool first = true;
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    if (!is_named(mask, lane)) continue;
    auto value = static_cast<unsigned int>(lanes[lane]->value);
    if (meeting == Meeting::kBallot) value <<= lane;
    word = first ? value : combined(meeting, word, value);
    first = false;
  }
  return word;
}

// A lane that takes no part has no defined value.
unsigned long long brought(Meeter* const (&lanes)[32], const Meeter& to) {
  if (to.source < 32 && is_named(to.mask, static_cast<int>(to.source))) {
    return lanes[to.source]->value;
  }
  return static_cast<unsigned long long>(kPoison) << 32 | kPoison;
}

}  // namespace

bool meets(const Meeter& one, const Meeter& other) {
  if (one.state != other.state || one.meeting != other.meeting || one.mask != other.mask) {
    return false;
  }
  const char* file = one.place.file_name();
  const char* other_file = other.place.file_name();
  return one.place.line() == other.place.line() && one.place.column() == other.place.column() &&
         (file == other_file || std::strcmp(file, other_file) == 0);
}

unsigned long long block_result(Meeting meeting, unsigned int true_count, int threads) {
  switch (meeting) {
    case Meeting::kBlockCount:
      return true_count;
    case Meeting::kBlockAnd:
      return true_count == static_cast<unsigned int>(threads);
    default:
      return true_count > 0;
  }
}

void meet_lanes(Meeter* const (&lanes)[32], const Meeter& last) {
  const Meeting meeting = last.meeting;
  const unsigned int mask = last.mask;
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    if (is_named(mask, lane) && (lanes[lane] == nullptr || !meets(*lanes[lane], last))) return;
  }
  const bool is_shuffle = meeting == Meeting::kShuffle;
  const unsigned int word = is_shuffle ? 0 : gathered(lanes, meeting, mask);
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    if (!is_named(mask, lane)) continue;
    lanes[lane]->result = is_shuffle ? brought(lanes, *lanes[lane]) : word;
    lanes[lane]->state = Meeter::State::kReady;
  }
}

std::string describe_place(const Place& place) {
  return std::string(place.file_name()) + ":" + std::to_string(place.line()) + " in " +
         place.function_name();
}

std::string describe_wait(const Meeter& waiting) {
  if (waiting.state == Meeter::State::kExited) return "has exited";
  if (waiting.place.line() == 0) return "runs";
  const bool waits = waiting.state != Meeter::State::kReady;
  std::string text = waits ? "waits at " : "runs on from ";
  text += name_of(waiting.meeting);
  if (waiting.mask != 0) {
    char mask[32];
    std::snprintf(mask, sizeof mask, " of mask 0x%08x", waiting.mask);
    text += mask;
  }
  return text + ", " + describe_place(waiting.place);
}

}  // namespace cuda_emulator
