// Work on floats cut into stretches, over threads where that pays.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/result.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {

/// Floats of a piece: some ten microseconds of the slower functions, and half of an L2 at most.
inline constexpr uint64_t kPieceFloats = uint64_t{1} << 15;

/// Calls body(first, count) for rows of n floats; no row is cut.
template <class Body>
Status each_row(unsigned threads, uint64_t n_rows, uint64_t n, const Body& body) noexcept {
  const uint64_t rows = std::max<uint64_t>(1, kPieceFloats / std::max<uint64_t>(1, n));
  const uint64_t pieces = n_rows / rows + (n_rows % rows != 0);
  if (threads == 1 || pieces < 4) {
    if (n_rows != 0) body(uint64_t{0}, n_rows);
    return {};
  }
  struct Work {
    const Body& body;
    uint64_t n_rows;
    uint64_t rows;
    static void run(void* work, unsigned, uint64_t piece) noexcept {
      const auto& self = *static_cast<const Work*>(work);
      const DefaultFloatMode mode;
      const uint64_t first = piece * self.rows;
      self.body(first, std::min(self.rows, self.n_rows - first));
    }
  } work{body, n_rows, rows};
  return run_tasks(threads, pieces, &work, Work::run);
}

/// Calls body(first, count) for stretches of floats.
template <class Body>
Status each_stretch(unsigned threads, uint64_t count, const Body& body) noexcept {
  return each_row(threads, count, 1, body);
}

}  // namespace cordwood::runtime
