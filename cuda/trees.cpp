#include "cuda/trees.hpp"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "cuda/bin_rows.hpp"
#include "cuda/engine.hpp"
#include "cuda/launch.hpp"
#include "cuda/leaf_lists.hpp"
#include "cuda/sum_leaves.hpp"
#include "cuda/tables.hpp"
#include "cuda/walk_pairs.hpp"
#include "cuda/walk_sectors.hpp"
#include "cuda/walk_trees.hpp"
#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

/// Batches of up to this many rows are walked: they would leave most of a tile of whole trees empty.
constexpr uint64_t kFewRows = 512;

constexpr uint32_t kMostOutputs = 0xFFFF;  // rows of blocks of a launch
constexpr uint32_t kMostTrees = 32 * kMostOutputs;

/// Where whole trees are not evaluated, rows are padded to a tile of walks: leaves of a few rows and very
/// many trees would take much memory otherwise.
constexpr uint64_t kWalkPitch = 2 * kWordRows;

constexpr uint64_t round_up(uint64_t n, uint64_t to) noexcept {
  return (n + to - 1) / to * to;
}

constexpr uint64_t pitch_of(uint64_t n_rows) noexcept {
  return round_up(n_rows, n_rows > kFewRows ? kTileRows : kWalkPitch);
}

/// Hands out parts of scratch, each on a line of its own.
class Parts {
 public:
  explicit Parts(std::byte* at) noexcept : at_(at) {}
  template <class T>
  T* take(uint64_t count) noexcept {
    auto* part = reinterpret_cast<T*>(at_);
    at_ += bytes<T>(count);
    return part;
  }
  template <class T>
  static constexpr uint64_t bytes(uint64_t count) noexcept {
    return round_up(count * sizeof(T), 256);
  }

 private:
  std::byte* at_;
};

template <class Leaf, class Sum>
class TreesOf final : public DeviceTrees {
 public:
  TreesOf(const format::TreeArrays& arrays, Engine&& engine, bool binned,
          const DeviceLimits& limits)
      : DeviceTrees(arrays.attributes), limits_(limits), binned_(binned) {
    reason_ = engine.reason;
    if (engine.slice) engine_ = "slice";
    bytes_ = engine.columns->width() == plan::BinWidth::k8;
    median_ = arrays.attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN;
    linear_ = !arrays.linear_start.empty();
    add_columns(*engine.columns);
    if (engine.sectors) add_sectors(*engine.sectors, arrays.attributes.n_trees);
    if (engine.pairs) add_pairs(*engine.pairs, arrays.attributes.n_trees);
    if (engine.walk) add_walk(*engine.walk, arrays.attributes.n_trees);
    if (engine.slice) add_slice(*engine.slice, arrays.attributes.n_trees);
    add_leaves(arrays, engine.sectors ? &engine.sectors->leaf_order : nullptr);
    if (linear_) add_linear(arrays);
    if (median_) add_median(arrays);
  }

  Status upload() noexcept {
    CORDWOOD_RETURN_IF_FAILED(tables_.upload());
    for (const auto& settle : settle_) settle(*this);
    settle_.clear();
    return settle_columns();
  }

  Status margin(const DeviceRows& rows, const void* start, void* out, std::byte* scratch,
                cudaStream_t stream) const noexcept override {
    Parts parts(scratch);
    Result<LeafGrid<Leaf>> found = find(rows, parts, stream);
    if (!found) return found.status();
    const auto* from = static_cast<const Sum*>(start);
    auto* to = static_cast<Sum*>(out);
    if (median_) {
      auto* keys = parts.take<uint64_t>(rows.n_rows * attributes_.n_trees);
      return median_leaves(leaves_, rank_, weight_, *found, rows.n_rows, keys, to, stream);
    }
    if (linear_) {
      return sum_linear_leaves(leaves_, terms_, rows, rule_, *found, from, to, stream);
    }
    return sum_leaves(leaves_, *found, rows.n_rows, from, to, stream);
  }

  Status leaves(const DeviceRows& rows, int32_t* out, std::byte* scratch,
                cudaStream_t stream) const noexcept override {
    Parts parts(scratch);
    Result<LeafGrid<Leaf>> found = find(rows, parts, stream);
    if (!found) return found.status();
    return number_leaves(leaves_.first_leaf, number_, attributes_.n_trees, *found, rows.n_rows, out,
                         stream);
  }

  Status bin(const DeviceRows& rows, void* out, uint64_t pitch,
             cudaStream_t stream) const noexcept override {
    return bin_to(rows, {out, pitch, bytes_ ? 1u : 2u}, stream);
  }

  [[nodiscard]] uint64_t scratch_bytes(uint64_t n_rows) const noexcept override {
    const uint64_t pitch = pitch_of(n_rows);
    const uint64_t keys = median_ ? n_rows * attributes_.n_trees : 0;
    return Parts::bytes<uint16_t>(pitch * bins_.n_columns) +
           Parts::bytes<Leaf>(pitch * attributes_.n_trees) + Parts::bytes<uint64_t>(keys);
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override { return tables_.bytes(); }

 private:
  /// The leaf of each row and tree.
  Result<LeafGrid<Leaf>> find(const DeviceRows& rows, Parts& parts,
                              cudaStream_t stream) const noexcept {
    const uint64_t pitch = pitch_of(rows.n_rows);
    void* const bins = parts.take<uint16_t>(pitch * bins_.n_columns);
    const LeafGrid<Leaf> found{parts.take<Leaf>(pitch * attributes_.n_trees), pitch};
    const bool whole = slice_.nodes != nullptr && rows.n_rows > kFewRows;
    const BinGrid grid{bins, pitch, whole ? 1u : 2u};
    CORDWOOD_RETURN_IF_FAILED(binned_ ? copy_bins(rows, bins_, grid, stream)
                                      : bin_to(rows, grid, stream));
    if constexpr (sizeof(Leaf) == 1) {
      if (whole) {
        const uint32_t tiles = blocks_for(rows.n_rows, shape_.rows());
        CORDWOOD_RETURN_IF_FAILED(
            slice_trees(slice_, shape_, static_cast<uint8_t*>(bins), pitch, rows.n_rows, found,
                        parts_of(tiles, slice_.n_groups, 2 * shape_.warps), stream));
        return found;
      }
    }
    CORDWOOD_RETURN_IF_FAILED(walk(static_cast<uint16_t*>(bins), rows.n_rows, found, stream));
    return found;
  }

  Status bin_to(const DeviceRows& rows, const BinGrid& grid, cudaStream_t stream) const noexcept {
    const uint32_t parts = parts_of(bin_blocks(rows.n_rows), bins_.n_columns, kBinPart);
    return bin_rows(rows, rule_, bins_, grid, parts, stream);
  }

  Status walk(const uint16_t* bins, uint64_t n_rows, const LeafGrid<Leaf>& found,
              cudaStream_t stream) const noexcept {
    const auto with = [&](const auto& run, const auto& tables, uint32_t tile) -> Status {
      const uint32_t parts = parts_of(blocks_for(n_rows, tile), attributes_.n_trees, 8);
      return run(tables, bins, found.pitch, n_rows, found, parts, limits_.block_bytes, stream);
    };
    const uint64_t most = limits_.block_bytes;
    if (sectors_.records != nullptr) {
      return with(walk_sectors<Leaf>, sectors_, walk_rows(sectors_.n_columns, most));
    }
    if (pairs_.nodes != nullptr) {
      return with(walk_pairs<Leaf>, pairs_, walk_rows(pairs_.n_columns, most));
    }
    return with(walk_trees<Leaf>, walk_, 64);
  }

  /// Blocks that share a tile's trees, or columns: enough to keep every processor busy, none with too few.
  [[nodiscard]] uint32_t parts_of(uint32_t tiles, uint32_t things, uint32_t fewest) const noexcept {
    const uint32_t wanted = (2 * limits_.processors + tiles - 1) / std::max(tiles, 1u);
    return std::max(1u, std::min(wanted, things / fewest));
  }

  /// `settle` runs once the tables have their addresses. May throw std::bad_alloc.
  template <class T, class Settle>
  void add(const std::vector<T>& table, Settle settle) {
    const std::size_t place = tables_.add(table);
    settle_.push_back(
        [place, settle](TreesOf& self) { settle(self, self.tables_.template at<T>(place)); });
  }

  void add_columns(const plan::TreeColumns& columns) {
    bins_.n_columns = static_cast<uint32_t>(columns.columns().size());
    bins_.wide = wide();
    bins_.bytes = bytes_;
    const uint64_t item = wide() ? sizeof(double) : sizeof(float);
    for (const kernels::BinColumn& source : columns.columns()) {
      const uint64_t slots = uint64_t{1} << source.depth;
      const auto table = [&](const void* values, uint64_t count) {
        return tables_.add(std::span(static_cast<const std::byte*>(values), count * item));
      };
      column_tables_.emplace_back(table(source.levels, slots), table(source.sorted, source.count));
      kernels::BinColumn column = source;
      column.feature = columns.features()[source.feature];
      columns_.push_back(column);
    }
    column_place_ = tables_.add(columns_);
  }

  /// Columns point at tables of the device, whose addresses are known only now.
  Status settle_columns() noexcept {
    bins_.columns = tables_.at<kernels::BinColumn>(column_place_);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      columns_[c].levels = tables_.at<std::byte>(column_tables_[c].first);
      columns_[c].sorted = tables_.at<std::byte>(column_tables_[c].second);
      columns_[c].keys = nullptr;
    }
    if (columns_.empty()) return {};
    CORDWOOD_RETURN_IF_CUDA_FAILED(
        cudaMemcpy(tables_.at<std::byte>(column_place_), columns_.data(),
                   columns_.size() * sizeof(kernels::BinColumn), cudaMemcpyHostToDevice),
        "columns of a model");
    return TableBlock::settled();
  }

  void add_sectors(const SectorPlan& plan, uint32_t n_trees) {
    sectors_.n_columns = static_cast<uint32_t>(plan.columns.size());
    sectors_.n_trees = n_trees;
    add(plan.records, [](TreesOf& self, SectorNodes* at) { self.sectors_.records = at; });
    add(plan.leaves, [](TreesOf& self, uint32_t* at) { self.sectors_.leaves = at; });
    add(plan.roots, [](TreesOf& self, uint32_t* at) { self.sectors_.roots = at; });
    add(plan.columns, [](TreesOf& self, WalkColumn* at) { self.sectors_.columns = at; });
  }

  void add_pairs(const PairPlan& plan, uint32_t n_trees) {
    pairs_.n_columns = static_cast<uint32_t>(plan.columns.size());
    pairs_.n_trees = n_trees;
    add(plan.nodes, [](TreesOf& self, PairNode* at) { self.pairs_.nodes = at; });
    add(plan.leaf, [](TreesOf& self, uint32_t* at) { self.pairs_.leaf = at; });
    add(plan.roots, [](TreesOf& self, uint32_t* at) { self.pairs_.roots = at; });
    add(plan.levels, [](TreesOf& self, uint32_t* at) { self.pairs_.levels = at; });
    add(plan.columns, [](TreesOf& self, WalkColumn* at) { self.pairs_.columns = at; });
  }

  void add_walk(const plan::WalkPlan& plan, uint32_t n_trees) {
    walk_.n_columns = bins_.n_columns;
    walk_.n_trees = n_trees;
    add(std::vector<uint64_t>(plan.nodes.begin(), plan.nodes.end()),
        [](TreesOf& self, uint64_t* at) { self.walk_.nodes = at; });
    add(plan.roots, [](TreesOf& self, uint64_t* at) { self.walk_.roots = at; });
    add(plan.set_words, [](TreesOf& self, uint64_t* at) { self.walk_.set_words = at; });
    add(plan.column_set_bit, [](TreesOf& self, uint64_t* at) { self.walk_.column_set_bit = at; });
    add(plan.column_set_step, [](TreesOf& self, uint32_t* at) { self.walk_.column_set_step = at; });
  }

  void add_slice(const SlicePlan& plan, uint32_t n_trees) {
    shape_ = plan.shape;
    slice_.n_columns = static_cast<uint32_t>(plan.columns.size());
    slice_.n_words = plan.n_words;
    slice_.n_trees = n_trees;
    slice_.n_groups = static_cast<uint32_t>(plan.first_node.size() - 1);
    slice_.most_slots = plan.most_slots;
    add(plan.columns, [](TreesOf& self, SliceColumn* at) { self.slice_.columns = at; });
    add(plan.sets, [](TreesOf& self, uint32_t* at) { self.slice_.sets = at; });
    add(plan.nodes, [](TreesOf& self, SliceNode* at) { self.slice_.nodes = at; });
    add(plan.first_node, [](TreesOf& self, uint32_t* at) { self.slice_.first_node = at; });
  }

  /// Leaves stand in the order that walks number them in: from the left where that is null.
  void add_leaves(const format::TreeArrays& arrays, const std::vector<uint32_t>* order) {
    const cordwood_tree_attributes& trees = arrays.attributes;
    leaves_.n_outputs = trees.n_outputs;
    leaves_.width = trees.leaf_width;
    leaves_.n_trees = trees.n_trees;
    leaves_.divisor =
        trees.aggregate == CORDWOOD_AGGREGATE_AVERAGE ? static_cast<Sum>(trees.divisor) : Sum{0};
    std::vector<Sum> values(arrays.leaf_values.begin(), arrays.leaf_values.end());
    std::vector<Sum> base(arrays.base_value.begin(), arrays.base_value.end());
    const std::vector<uint32_t> first_leaf = plan::first_leaves(arrays);
    std::vector<uint32_t> leaf_row = plan::leaf_rows(arrays);
    std::vector<int32_t> number = plan::leaf_numbers(arrays);
    if (order != nullptr) {
      leaf_row = in_order(leaf_row, first_leaf, *order);
      number = in_order(number, first_leaf, *order);
    }
    const OutputLists outputs = trees_by_output(arrays, first_leaf);
    add(first_leaf, [](TreesOf& self, uint32_t* at) { self.leaves_.first_leaf = at; });
    if (trees.leaf_width == 1 && !linear_ && !median_) {
      std::vector<Sum> by_leaf;
      by_leaf.reserve(leaf_row.size());
      for (const uint32_t place : leaf_row) by_leaf.push_back(values[place]);
      add(by_leaf, [](TreesOf& self, Sum* at) { self.leaves_.leaf_values = at; });
    } else {
      add(leaf_row, [](TreesOf& self, uint32_t* at) { self.leaves_.leaf_row = at; });
      add(values, [](TreesOf& self, Sum* at) { self.leaves_.values = at; });
    }
    add(number, [](TreesOf& self, int32_t* at) { self.number_ = at; });
    add(base, [](TreesOf& self, Sum* at) { self.leaves_.base = at; });
    add(outputs.trees, [](TreesOf& self, OutputTree* at) { self.leaves_.output_trees = at; });
    add(outputs.first, [](TreesOf& self, uint32_t* at) { self.leaves_.first_of_output = at; });
  }

  void add_linear(const format::TreeArrays& arrays) {
    terms_.zero_band = arrays.attributes.zero_band;
    terms_.wide = wide();
    add(arrays.linear_start, [](TreesOf& self, uint64_t* at) { self.terms_.first_term = at; });
    add(arrays.linear_feature, [](TreesOf& self, uint32_t* at) { self.terms_.feature = at; });
    add(arrays.linear_coefficient, [](TreesOf& self, double* at) { self.terms_.coefficient = at; });
    add(arrays.linear_constant, [](TreesOf& self, double* at) { self.terms_.constant = at; });
  }

  void add_median(const format::TreeArrays& arrays) {
    std::vector<double> sorted = arrays.leaf_values;
    std::ranges::sort(sorted);
    std::vector<uint32_t> rank;
    for (const double value : arrays.leaf_values) {
      const auto place = std::ranges::lower_bound(sorted, value);
      rank.push_back(static_cast<uint32_t>(place - sorted.begin()));
    }
    add(rank, [](TreesOf& self, uint32_t* at) { self.rank_ = at; });
    add(arrays.tree_weight, [](TreesOf& self, double* at) { self.weight_ = at; });
  }

  DeviceLimits limits_;
  bool binned_;
  bool bytes_ = false;
  bool median_ = false;
  bool linear_ = false;
  TableBlock tables_;
  std::vector<std::function<void(TreesOf&)>> settle_;
  std::vector<kernels::BinColumn> columns_;
  std::vector<std::pair<std::size_t, std::size_t>> column_tables_;
  std::size_t column_place_ = 0;
  BinTables bins_{};
  SectorTables sectors_{};
  PairTables pairs_{};
  WalkTables walk_{};
  SliceTables slice_{};
  SliceShape shape_{};
  LeafTables<Sum> leaves_{};
  LinearTables terms_{};
  const int32_t* number_ = nullptr;
  const uint32_t* rank_ = nullptr;
  const double* weight_ = nullptr;
};

template <class Leaf, class Sum>
Result<std::unique_ptr<DeviceTrees>> make(const format::TreeArrays& arrays, Engine&& engine,
                                          bool binned, const DeviceLimits& limits) {
  auto trees = std::make_unique<TreesOf<Leaf, Sum>>(arrays, std::move(engine), binned, limits);
  CORDWOOD_RETURN_IF_FAILED(trees->upload());
  return std::unique_ptr<DeviceTrees>(std::move(trees));
}

}  // namespace

Result<std::unique_ptr<DeviceTrees>> DeviceTrees::prepare(const format::TreeArrays& arrays,
                                                          const plan::BinForm* binned,
                                                          const DeviceLimits& limits) noexcept {
  using Made = Result<std::unique_ptr<DeviceTrees>>;
  // A launch has a row of blocks for each output, or for each 32 trees whose leaves are asked for.
  if (arrays.attributes.n_outputs > kMostOutputs || arrays.attributes.n_trees > kMostTrees) {
    return fail(CORDWOOD_STATUS_device_not_available, "trees of the device",
                "{} outputs and {} trees, expected at most {} and {}; load the model on the cpu",
                arrays.attributes.n_outputs, arrays.attributes.n_trees, kMostOutputs, kMostTrees);
  }
  return guard_memory("trees of the device", [&]() -> Made {
    Result<Engine> engine = choose_engine(arrays, binned, limits.block_bytes);
    CORDWOOD_RETURN_IF_FAILED(engine.status());
    const uint64_t leaves = plan::most_leaves(arrays);
    const auto with = [&]<class Sum>(Sum) -> Made {
      const bool given = binned != nullptr;
      if (leaves <= 1u << 8) {
        return make<uint8_t, Sum>(arrays, std::move(*engine), given, limits);
      }
      if (leaves <= 1u << 16) {
        return make<uint16_t, Sum>(arrays, std::move(*engine), given, limits);
      }
      return make<uint32_t, Sum>(arrays, std::move(*engine), given, limits);
    };
    return arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32 ? with(float{})
                                                                       : with(double{});
  });
}

}  // namespace cordwood::cuda
