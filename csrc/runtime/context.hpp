// Scratch of one caller: an arena for each thread that works for it. Any model may use any context,
// one call at a time; once it is warm, a run allocates nothing.
#pragma once

#include <vector>

#include "runtime/memory.hpp"

namespace cordwood::runtime {

class Context {
 public:
  /// Makes sure of `threads` arenas of at least `bytes` each.
  Status reserve(unsigned threads, std::size_t bytes) noexcept {
    if (arenas_.size() < threads) {
      CORDWOOD_RETURN_IF_FAILED(guard_memory("scratch of a run", [&]() -> Status {
        arenas_.resize(threads);
        return {};
      }));
    }
    for (unsigned thread = 0; thread < threads; ++thread) {
      CORDWOOD_RETURN_IF_FAILED(arenas_[thread].reserve(bytes));
    }
    return {};
  }

  [[nodiscard]] std::span<std::byte> arena(unsigned thread) const noexcept {
    return arenas_[thread].bytes();
  }

 private:
  std::vector<Arena> arenas_;
};

}  // namespace cordwood::runtime
