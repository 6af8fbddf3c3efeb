#include "runtime/tree_slice_engine.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

#include "plan/tree_shape.hpp"
#include "runtime/block_sums.hpp"
#include "runtime/tree_heap_plan.hpp"
#include "runtime/tree_leaf_pass.hpp"
#include "runtime/tree_lookup_plan.hpp"
#include "runtime/tree_mask_plan.hpp"
#include "runtime/tree_row_bins.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kSliceRows;

using kernels::kSliceWordRows;

// How a batch, or the rest of one, is taken. A block costs the same for one row and for 512, a word the
// same for one and for 64; tree_heap and tree_mask cost by the row. On Zen 5 they meet at about these
// numbers of rows, for trees of 31 leaves and of 64; where tree_lookup comes between, its plan says.
constexpr uint64_t kMostSingleRows = 10;
constexpr uint64_t kMostWordRows = 192;
constexpr uint64_t kTaskBlocks = 16;

enum class Way : uint8_t { kRowByRow, kLookup, kWord, kBlock };

/// Input is the type rows are cast to, or uint8_t where they are bins; Sum the type leaves are added in.
template <class Input, class Sum>
class SliceEngine final : public TreeEngine {
 public:
  SliceEngine(const format::TreeArrays& arrays,
              const std::shared_ptr<const plan::TreeColumns>& columns, const KernelRow& kernels)
      : attributes_(arrays.attributes),
        columns_(columns),
        row_bins_(arrays.attributes, columns, kernels),
        conditions_(arrays, *columns),
        slice_(arrays, conditions_),
        planes_(leaf_planes(arrays, slice_)),
        tree_output_(arrays.tree_output),
        kernels_(kernels) {
    if (plan::most_leaves(arrays) <= kernels::kMaskMaxLeaves &&
        n_columns() <= kernels::kMaskMaxColumns) {
      if (HeapPlan::suits(arrays)) {
        heap_.emplace(arrays, *columns);
      } else {
        mask_.emplace(arrays, *columns, conditions_);
      }
    }
    if (kernels.lookup_pays) lookup_rows_ = LookupPlan::rows(arrays, *columns, slice_);
    if (lookup_rows_.most != 0) lookup_.emplace(arrays, *columns, conditions_);
    conditions_.forget_nodes();
    for (const double base : arrays.base_value) base_value_.push_back(static_cast<Sum>(base));
    leaf_numbers_ = plan::leaf_numbers(arrays);
    if (needs_leaf_pass(arrays)) {
      for (const uint32_t row : plan::leaf_rows(arrays))
        leaf_rows_.push_back(static_cast<int32_t>(row));
    }
    leaf_values_ = plan::leaf_values<Sum>(arrays);
    first_leaf_ = plan::first_leaves(arrays);
  }

  Status sums(const RowsView& rows, const void* start, void* out,
              std::span<std::byte> scratch) const noexcept override {
    const auto* from = static_cast<const Sum*>(start);
    auto* to = static_cast<Sum*>(out);
    for (uint64_t first = 0; first < rows.n_rows;) {
      const Way way = way_for(rows.n_rows - first);
      const uint64_t count = std::min(rows_of(way), rows.n_rows - first);
      const RowsView part = rows.slice(first, count);
      CORDWOOD_RETURN_IF_FAILED(way == Way::kRowByRow ? sum_rows(part, from, to, scratch)
                                                      : sum_block(part, way, from, to, scratch));
      if (from != nullptr) from += count * attributes_.n_outputs;
      to += count * attributes_.n_outputs;
      first += count;
    }
    return {};
  }

  Status leaves(const RowsView& rows, LeafAnswer answer, const LeafGrid& out,
                std::span<std::byte> scratch) const noexcept override {
    const int32_t* names = answer == LeafAnswer::kRow ? leaf_rows_.data() : leaf_numbers_.data();
    LeafGrid to = out;
    for (uint64_t first = 0; first < rows.n_rows;) {
      const Way way = way_for(rows.n_rows - first);
      const uint64_t count = std::min(rows_of(way), rows.n_rows - first);
      const RowsView part = rows.slice(first, count);
      CORDWOOD_RETURN_IF_FAILED(way == Way::kRowByRow ? name_rows(part, names, to, scratch)
                                                      : name_block(part, way, names, to, scratch));
      to.at += count * to.row_step;
      first += count;
    }
    return {};
  }

  [[nodiscard]] size_t scratch_bytes(uint64_t n_rows) const noexcept override {
    const size_t block = std::max(block_bytes(n_rows > kMostWordRows ? Way::kBlock : Way::kWord),
                                  lookup_ ? block_bytes(Way::kLookup) : 0);
    if (!row_by_row()) return block;
    const size_t row = Scratch::bytes_for<Input>(row_bins_.n_values()) +
                       Scratch::bytes_for<uint8_t>(kernels::kMaskMaxColumns) +
                       Scratch::bytes_for<uint32_t>(row_trees()) +
                       Scratch::bytes_for<uint64_t>(row_trees());
    return std::max(block, row);
  }

  [[nodiscard]] uint64_t preferred_rows() const noexcept override {
    return kTaskBlocks * kSliceRows;
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return row_bins_.resident_bytes() + conditions_.tables().size() + slice_.resident_bytes() +
           planes_.size() + (mask_ ? mask_->resident_bytes() : 0) +
           (heap_ ? heap_->resident_bytes() : 0) + (lookup_ ? lookup_->resident_bytes() : 0) +
           leaf_values_.size() * sizeof(Sum) +
           (leaf_numbers_.size() + leaf_rows_.size()) * sizeof(int32_t);
  }

 private:
  [[nodiscard]] size_t n_columns() const noexcept { return columns_->columns().size(); }

  [[nodiscard]] Way way_for(uint64_t n_rows) const noexcept {
    const uint64_t single = lookup_ ? lookup_rows_.least - 1 : kMostSingleRows;
    if (n_rows <= single && row_by_row()) return Way::kRowByRow;
    if (n_rows <= lookup_rows_.most) return Way::kLookup;
    return n_rows <= kMostWordRows ? Way::kWord : Way::kBlock;
  }

  [[nodiscard]] bool row_by_row() const noexcept { return mask_.has_value() || heap_.has_value(); }

  /// Trees that a kernel for single rows answers for, with those that fill up its last step.
  [[nodiscard]] size_t row_trees() const noexcept {
    return heap_ ? heap_->n_trees() : mask_->groups.size() * mask_->lanes;
  }

  [[nodiscard]] static uint64_t rows_of(Way way) noexcept {
    switch (way) {
      case Way::kRowByRow:
        return kMostSingleRows;
      case Way::kLookup:
      case Way::kWord:
        return kSliceWordRows;
      default:
        return kSliceRows;
    }
  }

  // ---- blocks ----

  [[nodiscard]] kernels::SliceModel slice_model() const noexcept {
    return {conditions_.columns().data(),
            slice_.operations().data(),
            slice_.asked().data(),
            slice_.groups().data(),
            tree_output_.data(),
            planes_.data(),
            static_cast<uint32_t>(n_columns()),
            static_cast<uint32_t>(slice_.groups().size()),
            conditions_.count(),
            attributes_.leaf_width};
  }

  [[nodiscard]] size_t condition_words(Way way) const noexcept {
    return way == Way::kLookup ? lookup_->scratch_words()
                               : size_t{conditions_.count()} * (rows_of(way) / 64) + 1;
  }

  [[nodiscard]] size_t block_bytes(Way way) const noexcept {
    const uint64_t rows = rows_of(way);
    const uint64_t words = rows / 64;
    const size_t trees = std::max<size_t>(kernels::kSliceTrees, attributes_.n_trees);
    return Scratch::bytes_for<Input>(row_bins_.n_values()) +
           Scratch::bytes_for<uint8_t>(n_columns() * rows) +
           Scratch::bytes_for<uint64_t>(condition_words(way)) +
           Scratch::bytes_for<uint64_t>(kernels::kSliceSlots * words + 1) +
           Scratch::bytes_for<uint8_t>(trees * rows) +
           Scratch::bytes_for<Sum>(size_t{attributes_.n_outputs} * rows) +
           Scratch::bytes_for<Sum>(rows);
  }

  Result<kernels::SliceTask> start_block(const RowsView& rows, Way way, size_t leaf_trees,
                                         std::span<std::byte> block) const noexcept {
    const uint64_t stride = rows_of(way);
    const uint64_t words = stride / 64;
    Scratch scratch(block);
    auto* values = scratch.take<Input>(row_bins_.n_values());
    auto* bins = scratch.take<uint8_t>(n_columns() * stride);
    CORDWOOD_RETURN_IF_FAILED(row_bins_.by_column(rows, stride, values, bins));
    kernels::SliceTask task{};
    task.bins = bins;
    task.conditions = scratch.take<uint64_t>(condition_words(way));
    task.slots = scratch.take<uint64_t>(kernels::kSliceSlots * words + 1);
    task.leaves = scratch.take<uint8_t>(leaf_trees * stride);
    task.sums = scratch.take<Sum>(size_t{attributes_.n_outputs} * stride);
    task.spare = scratch.take<Sum>(stride);
    task.n_outputs = attributes_.n_outputs;
    task.n_rows = static_cast<uint32_t>(rows.n_rows);
    return task;
  }

  [[nodiscard]] kernels::LookupModel lookup_model() const noexcept {
    return lookup_->model(attributes_, conditions_, tree_output_.data());
  }

  void sum_trees(Way way, const kernels::SliceTask& task) const noexcept {
    constexpr bool kSingle = std::is_same_v<Sum, float>;
    const KernelRow& k = kernels_;
    if (way == Way::kLookup) {
      (kSingle ? k.tree_lookup_f32 : k.tree_lookup_f64)(lookup_model(), LookupPlan::task(task));
    } else if (way == Way::kWord) {
      (kSingle ? k.tree_slice_word_f32 : k.tree_slice_word_f64)(slice_model(), task);
    } else {
      (kSingle ? k.tree_slice_f32 : k.tree_slice_f64)(slice_model(), task);
    }
  }

  void name_trees(Way way, const kernels::SliceTask& task) const noexcept {
    const KernelRow& k = kernels_;
    if (way == Way::kLookup) return k.tree_lookup_leaves(lookup_model(), LookupPlan::task(task));
    (way == Way::kWord ? k.tree_slice_word_leaves : k.tree_slice_leaves)(slice_model(), task);
  }

  Status sum_block(const RowsView& rows, Way way, const Sum* start, Sum* out,
                   std::span<std::byte> scratch) const noexcept {
    const uint64_t stride = rows_of(way);
    const uint32_t n_outputs = attributes_.n_outputs;
    Result<kernels::SliceTask> task = start_block(rows, way, kernels::kSliceTrees, scratch);
    CORDWOOD_RETURN_IF_FAILED(task.status());
    auto* sums = static_cast<Sum*>(task->sums);
    for (uint32_t k = 0; k < n_outputs; ++k) {
      std::fill_n(sums + k * stride, stride, base_value_[k]);
    }
    task->starts_differ = start != nullptr;
    if (start != nullptr) copy_in(start, rows.n_rows, n_outputs, stride, sums);
    sum_trees(way, *task);
    copy_out(sums, rows.n_rows, n_outputs, stride, out);
    return {};
  }

  Status name_block(const RowsView& rows, Way way, const int32_t* names, const LeafGrid& out,
                    std::span<std::byte> scratch) const noexcept {
    const uint64_t n_trees = attributes_.n_trees;
    Result<kernels::SliceTask> task = start_block(rows, way, std::max<size_t>(n_trees, 1), scratch);
    CORDWOOD_RETURN_IF_FAILED(task.status());
    name_trees(way, *task);
    for (uint64_t tree = 0; tree < n_trees; ++tree) {
      const int32_t* name = names + first_leaf_[tree];
      const uint8_t* leaf = task->leaves + tree * rows_of(way);
      int32_t* to = out.at + tree * out.tree_step;
      const std::span<const uint8_t> at =
          way == Way::kLookup ? std::span<const uint8_t>{} : slice_.leaf_of_place(tree);
      for (uint64_t row = 0; row < rows.n_rows; ++row) {
        to[row * out.row_step] = name[at.empty() ? leaf[row] : at[leaf[row]]];
      }
    }
    return {};
  }

  // ---- single rows ----

  /// Calls `visit(row, leaves)` with the row's in-order leaf number in each tree.
  template <class Visit>
  Status visit_rows(const RowsView& rows, std::span<std::byte> block,
                    Visit&& visit) const noexcept {
    Scratch scratch(block);
    auto* values = scratch.take<Input>(row_bins_.n_values());
    auto* bins = scratch.take<uint8_t>(kernels::kMaskMaxColumns);
    auto* leaf = scratch.take<uint32_t>(row_trees());
    auto* words = scratch.take<uint64_t>(row_trees());
    std::memset(bins, 0, kernels::kMaskMaxColumns);
    const kernels::MaskModel mask = mask_ ? mask_->model(n_columns()) : kernels::MaskModel{};
    const kernels::HeapModel heap = heap_ ? heap_->model(n_columns()) : kernels::HeapModel{};
    for (uint64_t row = 0; row < rows.n_rows; ++row) {
      CORDWOOD_RETURN_IF_FAILED(row_bins_.one_row(rows.slice(row, 1), values, bins));
      if (heap_) {
        kernels_.tree_heap_u8(heap, bins, words, leaf);
        heap_->to_leaves(leaf, attributes_.n_trees);
      } else {
        kernels_.tree_mask_u8(mask, bins, leaf);
      }
      visit(row, leaf);
    }
    return {};
  }

  Status sum_rows(const RowsView& rows, const Sum* start, Sum* out,
                  std::span<std::byte> block) const noexcept {
    const uint32_t n_outputs = attributes_.n_outputs;
    const uint32_t width = attributes_.leaf_width;
    return visit_rows(rows, block, [&](uint64_t row, const uint32_t* leaf) {
      if (n_outputs == 1) {
        out[row] = sum_one_output(start != nullptr ? start[row] : base_value_[0], leaf);
        return;
      }
      Sum* sums = out + row * n_outputs;
      begin_sums<Sum>(start != nullptr ? start + row * n_outputs : nullptr, base_value_, 1, sums);
      for (uint64_t tree = 0; tree < attributes_.n_trees; ++tree) {
        const Sum* value = leaf_values_.data() + uint64_t{first_leaf_[tree] + leaf[tree]} * width;
        for (uint32_t w = 0; w < width; ++w) sums[tree_output_[tree] + w] += value[w];
      }
    });
  }

  Sum sum_one_output(Sum sum, const uint32_t* leaf) const noexcept {
    for (uint64_t tree = 0; tree < attributes_.n_trees; ++tree) {
      sum += leaf_values_[first_leaf_[tree] + leaf[tree]];
    }
    return sum;
  }

  Status name_rows(const RowsView& rows, const int32_t* names, const LeafGrid& out,
                   std::span<std::byte> block) const noexcept {
    return visit_rows(rows, block, [&](uint64_t row, const uint32_t* leaf) {
      int32_t* to = out.at + row * out.row_step;
      for (uint64_t tree = 0; tree < attributes_.n_trees; ++tree) {
        to[tree * out.tree_step] = names[first_leaf_[tree] + leaf[tree]];
      }
    });
  }

  cordwood_tree_attributes attributes_;
  std::shared_ptr<const plan::TreeColumns> columns_;
  RowBins<Input> row_bins_;
  SliceConditions conditions_;
  SlicePlan slice_;
  AlignedVector<uint8_t> planes_;
  // For single rows; neither where the trees or the columns are too large for both.
  std::optional<MaskPlan> mask_;
  std::optional<HeapPlan> heap_;
  LookupPlan::Rows lookup_rows_;
  std::optional<LookupPlan> lookup_;  ///< for a few rows, in place of words where it pays
  std::vector<uint32_t> tree_output_;
  std::vector<Sum> base_value_;
  std::vector<Sum> leaf_values_;
  std::vector<uint32_t> first_leaf_;
  std::vector<int32_t> leaf_numbers_;
  std::vector<int32_t> leaf_rows_;  ///< where needs_leaf_pass
  KernelRow kernels_;
};

template <class Input>
std::unique_ptr<TreeEngine> make(const format::TreeArrays& arrays,
                                 const std::shared_ptr<const plan::TreeColumns>& columns,
                                 const KernelRow& kernels) {
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    return std::make_unique<SliceEngine<Input, float>>(arrays, columns, kernels);
  }
  return std::make_unique<SliceEngine<Input, double>>(arrays, columns, kernels);
}

}  // namespace

Result<std::unique_ptr<TreeEngine>> make_slice_engine(
    const format::TreeArrays& arrays, const KernelRow& kernels,
    const std::shared_ptr<const plan::TreeColumns>& binned) noexcept {
  return guard_memory("tables of the slice engine", [&]() -> Result<std::unique_ptr<TreeEngine>> {
    if (binned != nullptr) return make<uint8_t>(arrays, binned, kernels);
    Result<plan::TreeColumns> planned = plan::TreeColumns::plan(arrays, plan::BinWidth::k8);
    CORDWOOD_RETURN_IF_FAILED(planned.status());
    const auto columns = std::make_shared<const plan::TreeColumns>(std::move(*planned));
    if (arrays.attributes.input_type == CORDWOOD_DTYPE_FLOAT32) {
      return make<float>(arrays, columns, kernels);
    }
    return make<double>(arrays, columns, kernels);
  });
}

}  // namespace cordwood::runtime
