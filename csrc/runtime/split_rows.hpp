// Cuts a batch of rows into pieces that fit the scratch, over as many threads as pay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "runtime/context.hpp"

namespace cordwood::runtime {

/// Work on rows that may be cut anywhere: pieces know nothing of each other.
class RowWork {
 public:
  virtual Status run(uint64_t first, uint64_t count,
                     std::span<std::byte> scratch) const noexcept = 0;
  /// Scratch for a piece of at most `count` rows.
  [[nodiscard]] virtual std::size_t scratch_bytes(uint64_t count) const noexcept = 0;

 protected:
  ~RowWork() = default;
};

/// How far a batch is cut.
struct Split {
  uint64_t n_rows;
  uint64_t preferred_rows;  ///< of a piece
  unsigned threads;         ///< most that may work; 1 starts none
};

/// Runs all rows. Of several failures the first, by row, is the one that returns, whatever the number
/// of threads.
Status split_rows(Context& context, const RowWork& work, const Split& split) noexcept;

/// Threads that are worth waking for so many row-trees, up to `threads`.
[[nodiscard]] unsigned worthwhile_threads(uint64_t n_rows, uint64_t n_trees,
                                          uint64_t work_per_thread, unsigned threads) noexcept;

}  // namespace cordwood::runtime
