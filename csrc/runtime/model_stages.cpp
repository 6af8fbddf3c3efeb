// Staged answers: the trees of each stage as an operator of its own, all made from one decoding.
#include <algorithm>
#include <cstring>

#include "runtime/model.hpp"
#include "runtime/split_rows.hpp"

namespace cordwood::runtime {

Status Model::prepare_stages(const format::FileView& file, const KernelRow& kernels,
                             const cordwood_tree_range& range) {
  Result<format::TreeArrays> all = format::expand_trees(file, plan::last_trees(file));
  if (!all) return all.status();
  n_stages_ = (range.last - range.first) / range.per_stage;
  later_.reserve(n_stages_ - 1);
  for (uint64_t stage = 1; stage < n_stages_; ++stage) {
    const uint64_t first = range.first + stage * range.per_stage;
    const plan::TreeRange part = {first, first + range.per_stage};
    const std::optional<TreeBinning>& binning = program_.binning();
    Result<TreeOperator> trees =
        binning ? TreeOperator::prepare_binned(plan::take_trees_alone(*all, part), binning->form(),
                                               kernels)
                : TreeOperator::prepare(plan::take_trees(*all, part), kernels);
    if (!trees) return trees.status();
    later_.push_back(std::move(*trees));
  }
  return {};
}

/// One stage as work on rows.
class Model::Stage final : public RowWork {
 public:
  Stage(const Model& model, const RowsView& rows, uint64_t number, const plan::Target& target,
        void* margin, void* out) noexcept
      : program_(model.program_),
        trees_(number == 0 ? nullptr : &model.later_[number - 1]),
        rows_(rows),
        sums_(model.margin()),
        target_(target),
        margin_(static_cast<std::byte*>(margin)),
        out_(static_cast<std::byte*>(out)),
        sums_bytes_(program_.target_info(sums_).row_bytes()),
        out_bytes_(program_.target_info(target).row_bytes()) {}

  Status run(uint64_t first, uint64_t count, std::span<std::byte> scratch) const noexcept override {
    std::byte* const margin = margin_ + first * sums_bytes_;
    std::byte* const out = out_ + first * out_bytes_;
    CORDWOOD_RETURN_IF_FAILED(update(rows_.slice(first, count), margin, scratch));
    if (target_.value != sums_.value) return program_.finish(target_, margin, count, out, scratch);
    std::memcpy(out, margin, count * sums_bytes_);
    return {};
  }

  [[nodiscard]] std::size_t scratch_bytes(uint64_t count) const noexcept override {
    const std::size_t own = trees_ == nullptr ? 0 : trees_->scratch_bytes(count);
    return std::max(own, program_.scratch_bytes(count));
  }

 private:
  Status update(const RowsView& rows, std::byte* margin,
                std::span<std::byte> scratch) const noexcept {
    if (trees_ == nullptr) return program_.run(sums_, rows, margin, scratch);
    return trees_->margin(rows, margin, margin, scratch);
  }

  const Program& program_;
  const TreeOperator* trees_;  ///< null for the first stage, which the program itself holds
  const RowsView& rows_;
  plan::Target sums_;
  plan::Target target_;
  std::byte* margin_;
  std::byte* out_;
  uint64_t sums_bytes_;
  uint64_t out_bytes_;
};

Status Model::run_stage(Context& context, const RowsView& rows, uint64_t number,
                        const plan::Target& target, void* margin, void* out,
                        unsigned threads) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(plan::check_features(rows.n_features, program_.n_features()));
  if (number >= n_stages_) {
    return fail(CORDWOOD_STATUS_output_not_available, "model", "stage {} asked for, it has {}",
                number, n_stages_);
  }
  if (!program_.steps().follows_margin(target)) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "the answer is not made of the trees' sums, expected one that is");
  }
  const TreeOperator& trees = number == 0 ? program_.trees().back() : later_[number - 1];
  const unsigned worthwhile =
      worthwhile_threads(rows.n_rows, trees.attributes().n_trees, work_per_thread_, threads);
  return split_rows(context, Stage(*this, rows, number, target, margin, out),
                    {rows.n_rows, trees.preferred_rows(), worthwhile});
}

}  // namespace cordwood::runtime
