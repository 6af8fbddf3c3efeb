#include "late_copies.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>

#include "allocations.h"
#include "state.h"

namespace cuda_emulator {
namespace {

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  cudaStream_t stream;
  unsigned long long number;
};

std::deque<Copy> waiting;
unsigned long long count = 0;

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto low = reinterpret_cast<std::uintptr_t>(a);
  const auto other = reinterpret_cast<std::uintptr_t>(b);
  return low < other + b_bytes && other < low + a_bytes;
}

void perform(const Copy& copy) {
  const bool gone = side(copy.to, copy.bytes) == Side::kOutside ||
                    side(copy.from, copy.bytes) == Side::kOutside ||
                    is_pinned(copy.to) == is_pinned(copy.from);
  if (gone) {
    set_sticky(cudaErrorIllegalAddress, "memory of a copy was freed before it was done");
    return;
  }
  const CopyAccess to_access(copy.to);
  const CopyAccess from_access(copy.from);
  std::memmove(copy.to, copy.from, copy.bytes);
}

template <class Chosen>
void finish_those(Chosen&& chosen) {
  for (auto copy = waiting.begin(); copy != waiting.end();) {
    if (!chosen(*copy)) {
      ++copy;
      continue;
    }
    perform(*copy);
    copy = waiting.erase(copy);
  }
}

}  // namespace

void put_off_copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  waiting.push_back({to, from, bytes, stream, ++count});
}

void finish_copies(cudaStream_t stream) {
  finish_copies(stream, count);
}

void finish_copies(cudaStream_t stream, unsigned long long last) {
  finish_those([&](const Copy& copy) { return copy.stream == stream && copy.number <= last; });
}

void finish_all_copies() {
  finish_those([](const Copy&) { return true; });
}

unsigned long long last_copy() {
  return count;
}

bool is_being_copied(const void* pointer, std::size_t bytes) {
  return std::any_of(waiting.begin(), waiting.end(), [&](const Copy& copy) {
    return overlap(copy.to, copy.bytes, pointer, bytes) ||
           overlap(copy.from, copy.bytes, pointer, bytes);
  });
}

void forget_copies() {
  waiting.clear();
}

}  // namespace cuda_emulator
