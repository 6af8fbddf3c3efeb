#include "runtime/split_rows.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

/// Pieces end on multiples of these, so that vector kernels meet few short blocks: the first for any
/// piece, the second, the block of the widest kernel, for pieces that hold several.
constexpr uint64_t kRowGrain = 64;
constexpr uint64_t kBlockRows = 512;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// A batch on its way through the pool.
struct Batch {
  Context& context;
  const RowWork& work;
  uint64_t n_rows;
  uint64_t piece_rows;

  std::atomic<uint64_t> failed_piece{UINT64_MAX};
  std::mutex mutex{};
  Status status{};

  static void run_piece(void* batch, unsigned slot, uint64_t index) noexcept {
    static_cast<Batch*>(batch)->run_piece(slot, index);
  }

  void run_piece(unsigned slot, uint64_t index) noexcept {
    // Whatever comes before a failed piece still runs, so the first bad row of the batch is the one
    // named.
    if (index > failed_piece.load(std::memory_order_relaxed)) return;
    const DefaultFloatMode mode;
    const uint64_t first = index * piece_rows;
    const uint64_t count = std::min(piece_rows, n_rows - first);
    const Status result = work.run(first, count, context.arena(slot));
    if (result.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex);
    if (index < failed_piece.load(std::memory_order_relaxed)) {
      failed_piece.store(index, std::memory_order_relaxed);
      status = result;
    }
  }
};

Status run_alone(Context& context, const RowWork& work, const Split& split) noexcept {
  const DefaultFloatMode mode;
  const uint64_t piece_rows = std::min(split.n_rows, split.preferred_rows);
  CORDWOOD_RETURN_IF_FAILED(context.reserve(1, work.scratch_bytes(piece_rows)));
  const std::span<std::byte> scratch = context.arena(0);
  for (uint64_t first = 0; first < split.n_rows; first += piece_rows) {
    const uint64_t count = std::min(piece_rows, split.n_rows - first);
    CORDWOOD_RETURN_IF_FAILED(work.run(first, count, scratch));
  }
  return {};
}

}  // namespace

unsigned worthwhile_threads(uint64_t n_rows, uint64_t n_trees, uint64_t work_per_thread,
                            unsigned threads) noexcept {
  const uint64_t work = n_rows * std::max<uint64_t>(n_trees, 1);
  if (work < 2 * work_per_thread) return 1;
  const uint64_t worthwhile = std::min(work / work_per_thread, divide_up(n_rows, kRowGrain));
  return static_cast<unsigned>(std::clamp<uint64_t>(worthwhile, 1, threads));
}

Status split_rows(Context& context, const RowWork& work, const Split& split) noexcept {
  if (split.n_rows == 0) return {};
  if (split.threads < 2) return run_alone(context, work, split);
  // As many pieces as the scratch asks for, rounded up so that every thread gets the same number.
  const uint64_t pieces =
      divide_up(divide_up(split.n_rows, split.preferred_rows), split.threads) * split.threads;
  const uint64_t even_rows = divide_up(split.n_rows, pieces);
  const uint64_t grain = even_rows >= 2 * kBlockRows ? kBlockRows : kRowGrain;
  const uint64_t piece_rows = divide_up(even_rows, grain) * grain;
  CORDWOOD_RETURN_IF_FAILED(context.reserve(split.threads, work.scratch_bytes(piece_rows)));
  Batch batch{.context = context, .work = work, .n_rows = split.n_rows, .piece_rows = piece_rows};
  CORDWOOD_RETURN_IF_FAILED(
      run_tasks(split.threads, divide_up(split.n_rows, piece_rows), &batch, Batch::run_piece));
  return batch.status;
}

}  // namespace cordwood::runtime
