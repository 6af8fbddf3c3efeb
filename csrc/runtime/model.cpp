#include "runtime/model.hpp"

#include <algorithm>

#include "runtime/dispatch.hpp"
#include "runtime/split_rows.hpp"

namespace cordwood::runtime {
namespace {

/// Row-trees that are worth a thread of their own: waking one costs some 40 microseconds.
///
/// Measured on two quiet cores of an EPYC. Both bounds lie above the point where two threads break even.
///  - The slice engine spends 0.1 to 0.4 ns on a row-tree with AVX-512, two to three times that with
///    AVX2. For 500 trees of 31 leaves (0.25 ns) two threads break even at 170,000 row-trees each; they
///    are 1.4 times as fast as one at 500,000, and 1.9 times at 4,000,000.
///  - The walk engine (100 trees of 3,000 leaves) spends 20 to 60 ns. Two threads are 1.4 times as fast
///    as one at 6,400 row-trees each, and 1.9 times at 200,000.
constexpr uint64_t kSliceWorkPerThread = 1u << 19;
constexpr uint64_t kWalkWorkPerThread = 1u << 14;

/// The same for binning, in values: one takes 0.2 to 1 ns.
constexpr uint64_t kBinWorkPerThread = 1u << 18;

/// Rows of one task of binning.
constexpr uint64_t kBinTaskRows = 8192;

uint64_t work_per_thread(const Program& program) noexcept {
  const auto slices = [](const TreeOperator& trees) { return trees.engine() == "slice"; };
  const std::span<const TreeOperator> all = program.trees();
  return std::any_of(all.begin(), all.end(), slices) ? kSliceWorkPerThread : kWalkWorkPerThread;
}

}  // namespace

/// A whole answer as work on rows.
class Model::Answer final : public RowWork {
 public:
  Answer(const Program& program, const RowsView& rows, const plan::Target& target,
         void* out) noexcept
      : program_(program), rows_(rows), target_(target), out_(static_cast<std::byte*>(out)) {}

  Status run(uint64_t first, uint64_t count, std::span<std::byte> scratch) const noexcept override {
    // One row takes well under a microsecond in all: what a whole batch does not need is not asked.
    if (count == rows_.n_rows) return program_.run(target_, rows_, out_, scratch);
    const uint64_t row_bytes = program_.target_info(target_).row_bytes();
    return program_.run(target_, rows_.slice(first, count), out_ + first * row_bytes, scratch);
  }

  [[nodiscard]] std::size_t scratch_bytes(uint64_t count) const noexcept override {
    return program_.scratch_bytes(count);
  }

 private:
  const Program& program_;
  const RowsView& rows_;
  const plan::Target& target_;
  std::byte* out_;
};

Result<std::shared_ptr<const Model>> Model::load(std::span<const std::byte> bytes,
                                                 format::CheckLevel level,
                                                 const cordwood_tree_range* range,
                                                 plan::RowForm form) noexcept {
  const Result<format::FileView> file = format::validate(bytes, level);
  if (!file) return file.status();
  return prepare(*file, range, form);
}

Result<std::shared_ptr<const Model>> Model::prepare(const format::FileView& file,
                                                    const cordwood_tree_range* range,
                                                    plan::RowForm form) noexcept {
  const Result<const KernelRow*> kernels = active_row();
  if (!kernels) return kernels.status();
  plan::TreeRange trees;
  if (range != nullptr) {
    CORDWOOD_RETURN_IF_FAILED(plan::check_range(file, *range));
    const bool staged = range->per_stage != 0;
    trees = {range->first, staged ? range->first + range->per_stage : range->last};
  }
  Result<Program> program =
      Program::build(file, **kernels, range == nullptr ? nullptr : &trees, form);
  if (!program) return program.status();
  return guard_memory("model", [&]() -> Result<std::shared_ptr<const Model>> {
    const std::shared_ptr<Model> model(new Model(std::move(*program)));
    if (range != nullptr && range->per_stage != 0) {
      CORDWOOD_RETURN_IF_FAILED(model->prepare_stages(file, **kernels, *range));
    }
    return std::shared_ptr<const Model>(model);
  });
}

Model::Model(Program&& program) noexcept
    : program_(std::move(program)), work_per_thread_(work_per_thread(program_)) {}

Status Model::run(Context& context, const RowsView& rows, const plan::Target& target, void* out,
                  unsigned threads) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(plan::check_features(rows.n_features, program_.n_features()));
  const unsigned worthwhile =
      worthwhile_threads(rows.n_rows, program_.n_trees(), work_per_thread_, threads);
  return split_rows(context, Answer(program_, rows, target, out),
                    {rows.n_rows, program_.preferred_rows(), worthwhile});
}

/// Binning as work on rows.
class Model::Binning final : public RowWork {
 public:
  Binning(const TreeBinning& binning, const RowsView& rows, const BinGrid& out) noexcept
      : binning_(binning), rows_(rows), out_(out) {}

  Status run(uint64_t first, uint64_t count, std::span<std::byte> scratch) const noexcept override {
    BinGrid part = out_;
    part.at = static_cast<std::byte*>(out_.at) + first * out_.row_step;
    return binning_.bin(rows_.slice(first, count), part, scratch);
  }

  [[nodiscard]] std::size_t scratch_bytes(uint64_t) const noexcept override {
    return binning_.scratch_bytes();
  }

 private:
  const TreeBinning& binning_;
  const RowsView& rows_;
  BinGrid out_;
};

Status Model::bin(Context& context, const RowsView& rows, const BinGrid& out,
                  unsigned threads) const noexcept {
  if (!program_.binning()) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it was loaded for rows of values and bins none");
  }
  const unsigned worthwhile =
      worthwhile_threads(rows.n_rows, program_.n_features(), kBinWorkPerThread, threads);
  return split_rows(context, Binning(*program_.binning(), rows, out),
                    {rows.n_rows, kBinTaskRows, worthwhile});
}

uint64_t Model::n_trees() const noexcept {
  uint64_t count = program_.n_trees();
  for (const TreeOperator& trees : later_) count += trees.attributes().n_trees;
  return count;
}

uint64_t Model::resident_bytes() const noexcept {
  uint64_t bytes = program_.resident_bytes();
  for (const TreeOperator& trees : later_) bytes += trees.resident_bytes();
  return bytes;
}

}  // namespace cordwood::runtime
