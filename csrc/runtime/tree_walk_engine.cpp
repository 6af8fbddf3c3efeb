#include "runtime/tree_walk_engine.hpp"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "kernels/tree_walk/step.h"
#include "plan/bin_form.hpp"
#include "plan/tree_columns.hpp"
#include "plan/tree_shape.hpp"
#include "plan/tree_walk_plan.hpp"
#include "runtime/leaf_rows.hpp"
#include "runtime/tree_bin_calls.hpp"
#include "runtime/tree_row_bins.hpp"
#include "runtime/tree_top_bins.hpp"
#include "runtime/tree_tops.hpp"

namespace cordwood::runtime {
namespace {

// Rows binned at a time on the way to a chunk.
constexpr uint64_t kBlock = kernels::kSliceRows;

// Rows that go through one tree before the next: a deep tree's nodes are then read from memory once a
// chunk. Bins and exits of a chunk stay within kChunkBytes, so that they keep to the last cache level.
constexpr uint64_t kMostChunkRows = 65536;
constexpr uint64_t kChunkBytes = 12u << 20;

// Below this many rows the tops of trees are walked, too.
constexpr uint64_t kFewRows = 8;

// Rows of a block of tree_slice that the tops of so many rows go through.
constexpr uint64_t top_rows(uint64_t n_rows) {
  return n_rows <= kernels::kSliceWordRows ? kernels::kSliceWordRows : kBlock;
}

// Walks that are handed to the kernel together, at least: fewer rows go through several trees at a time,
// so that its lanes stay full and misses overlap.
constexpr uint64_t kWalksTogether = 1024;

// Bytes past the last bin that the gathers of tree_walk may touch.
constexpr size_t kBinTail = 8;

/// Input is the type rows are cast to, or uint16_t where they are bins, of either width; Sum the type
/// leaves are added in.
template <class Input, class Sum>
class WalkEngine final : public TreeEngine {
  static constexpr bool kBinned = std::is_same_v<Input, uint16_t>;

 public:
  WalkEngine(const format::TreeArrays& arrays,
             const std::shared_ptr<const plan::TreeColumns>& columns, plan::WalkPlan&& plan,
             std::optional<TreeTops>&& tops, const KernelRow& kernels)
      : attributes_(arrays.attributes),
        columns_(columns),
        row_bins_(arrays.attributes, columns, kernels),
        plan_(std::move(plan)),
        tops_(std::move(tops)),
        tree_output_(arrays.tree_output),
        leaf_rows_(arrays),
        kernels_(kernels) {
    if (kBinned && tops_) top_bins_.emplace(*columns_, tops_->columns());
    for (const double base : arrays.base_value) base_value_.push_back(static_cast<Sum>(base));
    for (const double value : arrays.leaf_values) leaf_values_.push_back(static_cast<Sum>(value));
    uint64_t first_leaf = 0;
    for (uint64_t tree = 0; tree < attributes_.n_trees; ++tree) {
      first_leaf_.push_back(first_leaf);
      first_leaf += plan::leaf_count(arrays, tree);
    }
    // In preorder a leaf's number is its place itself.
    if (attributes_.leaf_numbering != CORDWOOD_NUMBER_PREORDER) {
      leaf_numbers_ = plan::leaf_numbers(arrays);
    }
  }

  Status sums(const RowsView& rows, const void* start, void* out,
              std::span<std::byte> scratch) const noexcept override {
    const auto* from = static_cast<const Sum*>(start);
    auto* to = static_cast<Sum*>(out);
    return for_chunks(rows, scratch, [&](const Chunk& chunk) {
      begin_sums<Sum>(from, base_value_, chunk.n_rows, to);
      if (chunk.n_rows == 1 && attributes_.n_outputs == 1) {
        Sum sum = to[0];  // stays in a register
        visit_leaves(chunk, [&](uint64_t, uint64_t tree, uint64_t place) {
          sum += leaf_values_[leaf_rows_.of(first_leaf_[tree] + cordwood_walk_leaf(place))];
        });
        to[0] = sum;
      } else {
        visit_leaves(chunk, [&](uint64_t row, uint64_t tree, uint64_t place) {
          add_leaf(leaf_rows_.of(first_leaf_[tree] + cordwood_walk_leaf(place)),
                   to + row * attributes_.n_outputs + tree_output_[tree]);
        });
      }
      if (from != nullptr) from += chunk.n_rows * attributes_.n_outputs;
      to += chunk.n_rows * attributes_.n_outputs;
    });
  }

  Status leaves(const RowsView& rows, LeafAnswer answer, const LeafGrid& out,
                std::span<std::byte> scratch) const noexcept override {
    int32_t* first = out.at;
    return for_chunks(rows, scratch, [&](const Chunk& chunk) {
      visit_leaves(chunk, [&](uint64_t row, uint64_t tree, uint64_t place) {
        const uint64_t leaf = answer == LeafAnswer::kRow
                                  ? leaf_rows_.of(first_leaf_[tree] + cordwood_walk_leaf(place))
                                  : number_of(tree, place);
        first[row * out.row_step + tree * out.tree_step] = static_cast<int32_t>(leaf);
      });
      first += chunk.n_rows * out.row_step;
    });
  }

  [[nodiscard]] size_t scratch_bytes(uint64_t n_rows) const noexcept override {
    const uint64_t chunk = std::min(n_rows, preferred_rows());
    const uint64_t block = std::min(n_rows, kBlock);
    const size_t walks = Scratch::bytes_for<Input>(n_values(block)) +
                         Scratch::bytes_for<uint16_t>(block) +
                         Scratch::bytes_for<uint16_t>(chunk * n_columns() + kBinTail) +
                         Scratch::bytes_for<uint64_t>(std::max(chunk, kWalksTogether)) +
                         Scratch::bytes_for<uint32_t>(kWalksTogether);
    if (!tops_ || n_rows < kFewRows) return walks;
    return walks + Scratch::bytes_for<uint8_t>(tops_->columns().columns().size() * kBlock) +
           Scratch::bytes_for<uint8_t>(exit_bytes(chunk)) + tops_->scratch_bytes();
  }

  [[nodiscard]] uint64_t preferred_rows() const noexcept override {
    const uint64_t row_bytes =
        std::max<uint64_t>(1, n_columns()) * sizeof(uint16_t) + (tops_ ? attributes_.n_trees : 0);
    return std::clamp(kChunkBytes / row_bytes / kBlock * kBlock, kBlock, kMostChunkRows);
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return row_bins_.resident_bytes() + plan_.resident_bytes() + leaf_rows_.resident_bytes() +
           leaf_values_.size() * sizeof(Sum) + first_leaf_.size() * sizeof(uint64_t) +
           leaf_numbers_.size() * sizeof(int32_t) + (tops_ ? tops_->resident_bytes() : 0) +
           (top_bins_ ? top_bins_->resident_bytes() : 0);
  }

 private:
  struct Chunk {
    const uint16_t* bins;  ///< C order [n_rows, n_columns]
    uint64_t n_rows;
    const uint8_t* exits;  ///< [blocks][n_trees][top_rows] of the tops; null: walks start at roots
    uint64_t* places;      ///< scratch [max(n_rows, kWalksTogether)]
    uint32_t* rows;        ///< scratch [kWalksTogether]
  };

  [[nodiscard]] uint64_t exit_bytes(uint64_t n_rows) const noexcept {
    const uint64_t block = top_rows(n_rows);
    return (n_rows + block - 1) / block * block * attributes_.n_trees;
  }

  [[nodiscard]] size_t n_columns() const noexcept { return columns_->columns().size(); }

  [[nodiscard]] size_t n_values(uint64_t n_rows) const noexcept {
    return kBinned ? 0 : columns_->features().size() * n_rows;
  }

  template <class Work>
  Status for_chunks(const RowsView& rows, std::span<std::byte> block, Work&& work) const noexcept {
    const uint64_t most = preferred_rows();
    for (uint64_t first = 0; first < rows.n_rows; first += most) {
      const RowsView part = rows.slice(first, std::min(most, rows.n_rows - first));
      Scratch scratch(block);
      const uint64_t block_rows = std::min(part.n_rows, kBlock);
      auto* values = scratch.take<Input>(n_values(block_rows));
      auto* column = scratch.take<uint16_t>(block_rows);
      auto* bins = scratch.take<uint16_t>(part.n_rows * n_columns() + kBinTail);
      auto* places = scratch.take<uint64_t>(std::max(part.n_rows, kWalksTogether));
      auto* row_numbers = scratch.take<uint32_t>(kWalksTogether);
      const bool tops = tops_.has_value() && part.n_rows >= kFewRows;
      auto* top_bins =
          tops ? scratch.take<uint8_t>(tops_->columns().columns().size() * kBlock) : nullptr;
      auto* exits = tops ? scratch.take<uint8_t>(exit_bytes(part.n_rows)) : nullptr;
      for (uint64_t row = 0; row < part.n_rows; row += block_rows) {
        const RowsView few = part.slice(row, std::min(block_rows, part.n_rows - row));
        uint16_t* const few_bins = bins + row * n_columns();
        // A walk reads many bins of one row: they lie together.
        CORDWOOD_RETURN_IF_FAILED(row_bins_.by_row(few, block_rows, values, column, few_bins));
        if (tops) {
          const uint64_t top_stride = top_rows(part.n_rows);
          bin_tops(few.n_rows, values, block_rows, few_bins, top_stride, top_bins);
          tops_->run(kernels_, top_stride, top_bins, exits + row * attributes_.n_trees,
                     scratch.rest(block));
        }
      }
      work(Chunk{bins, part.n_rows, exits, places, row_numbers});
    }
    return {};
  }

  void bin_tops(uint64_t n_rows, const Input* values, uint64_t stride, const uint16_t* bins,
                uint64_t top_stride, uint8_t* top_bins) const noexcept {
    if constexpr (kBinned) {
      top_bins_->look_up(bins, n_rows, top_stride, top_bins);
    } else {
      for (const kernels::BinColumn& rule : tops_->columns().columns()) {
        bin_column(kernels_, values + rule.feature * stride, n_rows, rule, top_bins);
        top_bins += top_stride;
      }
    }
  }

  // Calls `visit(row, tree, place of the leaf)`; for each row the trees come in order.
  template <class Visit>
  void visit_leaves(const Chunk& chunk, Visit&& visit) const noexcept {
    const uint64_t together =
        std::clamp<uint64_t>(kWalksTogether / chunk.n_rows, 1, std::max(attributes_.n_trees, 1u));
    uint32_t* number = chunk.rows;
    for (uint64_t tree = 0; tree < together && together > 1 && chunk.n_rows > 1; ++tree) {
      for (uint32_t row = 0; row < chunk.n_rows; ++row) *number++ = row;
    }
    for (uint64_t first = 0; first < attributes_.n_trees; first += together) {
      const uint64_t count = std::min(together, attributes_.n_trees - first);
      walk_trees(chunk, first, count);
      const uint64_t* place = chunk.places;
      for (uint64_t tree = first; tree < first + count; ++tree) {
        for (uint64_t row = 0; row < chunk.n_rows; ++row) visit(row, tree, *place++);
      }
    }
  }

  // Leaves the places of the leaves of `count` trees, tree by tree, in chunk.places.
  void walk_trees(const Chunk& chunk, uint64_t first, uint64_t count) const noexcept {
    const kernels::WalkModel model{plan_.nodes.data(), plan_.set_words.data(),
                                   plan_.column_set_bit.data(), plan_.column_set_step.data()};
    const bool below = chunk.exits != nullptr;
    const plan::WalkDepth depth = count == 1 ? plan_.depths[first] : plan_.all;
    for (uint64_t t = 0; t < count; ++t) {
      uint64_t* starts = chunk.places + t * chunk.n_rows;
      if (below) {
        start_below_top(chunk, first + t, starts);
      } else if (count > 1) {
        std::fill_n(starts, chunk.n_rows, plan_.roots[first + t]);
      }
    }
    kernels_.tree_walk_u16(
        model, {.starts = below || count > 1 ? chunk.places : nullptr,
                .start = plan_.roots[first],
                .bins = chunk.bins,
                .rows = count > 1 ? chunk.rows : nullptr,
                .n_columns = static_cast<uint32_t>(n_columns()),
                .one_row = chunk.n_rows == 1,
                .even = depth.even && !below,
                .levels = depth.levels - (below ? std::min(depth.levels, TreeTops::kLevels) : 0),
                .n_walks = count * chunk.n_rows,
                .out = chunk.places});
  }

  void start_below_top(const Chunk& chunk, uint64_t tree, uint64_t* starts) const noexcept {
    const uint64_t* places = tops_->places_below(tree);
    const uint64_t block = top_rows(chunk.n_rows);
    for (uint64_t first = 0; first < chunk.n_rows; first += block) {
      const uint8_t* exits = chunk.exits + first * attributes_.n_trees + tree * block;
      const uint64_t count = std::min(block, chunk.n_rows - first);
      for (uint64_t row = 0; row < count; ++row) starts[first + row] = places[exits[row]];
    }
  }

  [[nodiscard]] uint64_t number_of(uint64_t tree, uint64_t place) const noexcept {
    const uint64_t leaf = cordwood_walk_leaf(place);
    if (!leaf_numbers_.empty()) {
      return static_cast<uint64_t>(leaf_numbers_[first_leaf_[tree] + leaf]);
    }
    return cordwood_walk_node(place) - cordwood_walk_node(plan_.roots[tree]) + leaf;
  }

  void add_leaf(uint64_t leaf_row, Sum* sums) const noexcept {
    const uint32_t width = attributes_.leaf_width;
    const Sum* value = leaf_values_.data() + leaf_row * width;
    for (uint32_t w = 0; w < width; ++w) sums[w] += value[w];
  }

  cordwood_tree_attributes attributes_;
  std::shared_ptr<const plan::TreeColumns> columns_;
  RowBins<Input> row_bins_;
  plan::WalkPlan plan_;
  std::optional<TreeTops> tops_;
  std::optional<TopBins> top_bins_;  ///< where rows are bins
  std::vector<uint32_t> tree_output_;
  std::vector<Sum> base_value_;
  std::vector<Sum> leaf_values_;
  std::vector<uint64_t> first_leaf_;   ///< [n_trees] leaves of the trees before
  LeafRows leaf_rows_;                 ///< row of leaf_values_ of every leaf
  std::vector<int32_t> leaf_numbers_;  ///< of every leaf; empty where its place is the number
  KernelRow kernels_;
};

template <class Input>
std::unique_ptr<TreeEngine> make(const format::TreeArrays& arrays,
                                 const std::shared_ptr<const plan::TreeColumns>& columns,
                                 plan::WalkPlan&& plan, std::optional<TreeTops>&& tops,
                                 const KernelRow& kernels) {
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    return std::make_unique<WalkEngine<Input, float>>(arrays, columns, std::move(plan),
                                                      std::move(tops), kernels);
  }
  return std::make_unique<WalkEngine<Input, double>>(arrays, columns, std::move(plan),
                                                     std::move(tops), kernels);
}

}  // namespace

Result<std::unique_ptr<TreeEngine>> make_walk_engine(
    const format::TreeArrays& arrays, const KernelRow& kernels, bool with_tops,
    const std::shared_ptr<const plan::TreeColumns>& binned) noexcept {
  return guard_memory("tables of the walk engine", [&]() -> Result<std::unique_ptr<TreeEngine>> {
    std::shared_ptr<const plan::TreeColumns> columns = binned;
    if (columns == nullptr) {
      Result<plan::TreeColumns> planned = plan::plan_walk_columns(arrays);
      CORDWOOD_RETURN_IF_FAILED(planned.status());
      columns = std::make_shared<const plan::TreeColumns>(std::move(*planned));
    }
    Result<plan::WalkPlan> plan = plan::WalkPlan::build(arrays, *columns);
    CORDWOOD_RETURN_IF_FAILED(plan.status());
    std::optional<TreeTops> tops;
    if (with_tops && plan::TreeColumns::categories_fit(arrays, plan::BinWidth::k8)) {
      Result<TreeTops> cut = TreeTops::build(arrays);
      CORDWOOD_RETURN_IF_FAILED(cut.status());
      tops.emplace(std::move(*cut));
    }
    if (binned != nullptr) {
      return make<uint16_t>(arrays, columns, std::move(*plan), std::move(tops), kernels);
    }
    if (arrays.attributes.input_type == CORDWOOD_DTYPE_FLOAT32) {
      return make<float>(arrays, columns, std::move(*plan), std::move(tops), kernels);
    }
    return make<double>(arrays, columns, std::move(*plan), std::move(tops), kernels);
  });
}

}  // namespace cordwood::runtime
