// What the masks share: how work is cut, and how NaN is named.
#pragma once

#include <algorithm>
#include <atomic>

#include "runtime/float_mode.hpp"
#include "runtime/mask.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {

/// Scores of a piece of work: some 50 microseconds, and half of a second-level cache.
inline constexpr uint64_t kMaskPiece = uint64_t{1} << 17;

constexpr uint64_t divide_up_u64(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// The failure that names the first NaN of `scores`.
Status name_nan(const MaskScores& scores) noexcept;

/// Runs `body(slot, index)` for every piece. A thread is woken for no less than two pieces.
template <class Body>
Status run_mask_pieces(const MaskRun& run, uint64_t n_pieces, const Body& body) noexcept {
  const auto threads =
      static_cast<unsigned>(std::clamp<uint64_t>(n_pieces / 2, 1, std::max(run.threads, 1u)));
  const auto task = [](void* work, unsigned slot, uint64_t index) noexcept {
    const DefaultFloatMode mode;
    (*static_cast<const Body*>(work))(slot, index);
  };
  return run_tasks(threads, n_pieces, const_cast<Body*>(&body), task);
}

}  // namespace cordwood::runtime
