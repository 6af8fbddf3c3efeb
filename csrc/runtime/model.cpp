#include "runtime/model.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "runtime/dispatch.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

/// Row-trees that are worth a thread of their own: waking one costs some 40 microseconds.
///
/// Measured on two quiet cores of an EPYC, float64 rows of 20 features. Both bounds lie well above the
/// point where two threads break even.
///  - The slice engine (100 trees of 31 leaves) spends 0.8 ns on a row-tree with AVX-512, 1.2 with
///    AVX2. Two threads break even at 50,000 row-trees each; they are 1.5 times as fast as one at
///    150,000, and 1.9 times at 5,000,000.
///  - The walk engine (100 trees of 3,000 leaves) spends 20 to 60 ns. Two threads are 1.4 times as fast
///    as one at 6,400 row-trees each, and 1.9 times at 200,000.
constexpr uint64_t kSliceWorkPerThread = 1u << 17;
constexpr uint64_t kWalkWorkPerThread = 1u << 14;

uint64_t work_per_thread(const Program& program) noexcept {
  const auto slices = [](const TreeOperator& trees) { return trees.engine() == "slice"; };
  const std::span<const TreeOperator> all = program.trees();
  return std::any_of(all.begin(), all.end(), slices) ? kSliceWorkPerThread : kWalkWorkPerThread;
}

/// Pieces end on multiples of these, so that vector kernels meet few short blocks: the first for any
/// piece, the second, the block of the widest kernel, for pieces that hold several.
constexpr uint64_t kRowGrain = 64;
constexpr uint64_t kBlockRows = 512;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// A batch on its way through the pool.
struct Batch {
  const Program& program;
  Context& context;
  const RowsView& rows;
  const Target& target;
  std::byte* out;
  uint64_t row_bytes;
  uint64_t piece_rows;

  std::atomic<uint64_t> failed_piece{UINT64_MAX};
  std::mutex mutex{};
  Status status{};

  static void run_piece(void* work, unsigned slot, uint64_t index) noexcept {
    static_cast<Batch*>(work)->run_piece(slot, index);
  }

  void run_piece(unsigned slot, uint64_t index) noexcept {
    // Whatever comes before a failed piece still runs, so the first bad row of the batch is the one
    // named, whatever the number of threads.
    if (index > failed_piece.load(std::memory_order_relaxed)) return;
    const DefaultFloatMode mode;
    const uint64_t first = index * piece_rows;
    const uint64_t count = std::min(piece_rows, rows.n_rows - first);
    const Status result =
        program.run(target, rows.slice(first, count), out + first * row_bytes, context.arena(slot));
    if (result.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex);
    if (index < failed_piece.load(std::memory_order_relaxed)) {
      failed_piece.store(index, std::memory_order_relaxed);
      status = result;
    }
  }
};

}  // namespace

Result<std::shared_ptr<const Model>> Model::load(std::span<const std::byte> bytes,
                                                 format::CheckLevel level) noexcept {
  const Result<format::FileView> file = format::validate(bytes, level);
  if (!file) return file.status();
  return prepare(*file);
}

Result<std::shared_ptr<const Model>> Model::prepare(const format::FileView& file) noexcept {
  const Result<const KernelRow*> kernels = active_row();
  if (!kernels) return kernels.status();
  Result<Program> program = Program::build(file, **kernels);
  if (!program) return program.status();
  return guard_memory("model", [&]() -> Result<std::shared_ptr<const Model>> {
    return std::shared_ptr<const Model>(new Model(std::move(*program)));
  });
}

Model::Model(Program&& program) noexcept
    : program_(std::move(program)), work_per_thread_(work_per_thread(program_)) {}

Status Model::run(Context& context, const RowsView& rows, const Target& target, void* out,
                  unsigned threads) const noexcept {
  if (rows.n_features != program_.n_features()) {
    return fail(CORDWOOD_STATUS_feature_count_mismatch, "",
                "rows have {} features, the model expects {}", rows.n_features,
                program_.n_features());
  }
  if (rows.n_rows == 0) return {};
  const uint64_t work = rows.n_rows * std::max<uint64_t>(program_.n_trees(), 1);
  const uint64_t worthwhile = std::min(work / work_per_thread_, divide_up(rows.n_rows, kRowGrain));
  if (threads < 2 || worthwhile < 2) return run_alone(context, rows, target, out);
  return run_split(context, rows, target, out,
                   static_cast<unsigned>(std::min<uint64_t>(threads, worthwhile)));
}

Status Model::run_alone(Context& context, const RowsView& rows, const Target& target,
                        void* out) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t piece_rows = std::min(rows.n_rows, program_.preferred_rows());
  CORDWOOD_RETURN_IF_FAILED(context.reserve(1, program_.scratch_bytes(piece_rows)));
  const std::span<std::byte> scratch = context.arena(0);
  if (piece_rows == rows.n_rows) return program_.run(target, rows, out, scratch);

  const uint64_t row_bytes = program_.target_info(target).row_bytes();
  auto* const bytes = static_cast<std::byte*>(out);
  for (uint64_t first = 0; first < rows.n_rows; first += piece_rows) {
    const uint64_t count = std::min(piece_rows, rows.n_rows - first);
    const Status status =
        program_.run(target, rows.slice(first, count), bytes + first * row_bytes, scratch);
    CORDWOOD_RETURN_IF_FAILED(status);
  }
  return {};
}

Status Model::run_split(Context& context, const RowsView& rows, const Target& target, void* out,
                        unsigned threads) const noexcept {
  // As many pieces as the scratch asks for, rounded up so that every thread gets the same number.
  const uint64_t pieces =
      divide_up(divide_up(rows.n_rows, program_.preferred_rows()), threads) * threads;
  const uint64_t even_rows = divide_up(rows.n_rows, pieces);
  const uint64_t grain = even_rows >= 2 * kBlockRows ? kBlockRows : kRowGrain;
  const uint64_t piece_rows = divide_up(even_rows, grain) * grain;
  CORDWOOD_RETURN_IF_FAILED(context.reserve(threads, program_.scratch_bytes(piece_rows)));
  Batch batch{.program = program_,
              .context = context,
              .rows = rows,
              .target = target,
              .out = static_cast<std::byte*>(out),
              .row_bytes = program_.target_info(target).row_bytes(),
              .piece_rows = piece_rows};
  CORDWOOD_RETURN_IF_FAILED(
      run_tasks(threads, divide_up(rows.n_rows, piece_rows), &batch, Batch::run_piece));
  return batch.status;
}

std::optional<Target> Model::by_role(cordwood_role role) const noexcept {
  const std::span<const ValueInfo> values = program_.values();
  for (uint32_t id = 0; id < values.size(); ++id) {
    if (values[id].role == role) return Target{id, false};
  }
  return std::nullopt;
}

std::optional<Target> Model::leaves() const noexcept {
  if (program_.trees().size() != 1) return std::nullopt;
  return Target{0, true};
}

}  // namespace cordwood::runtime
