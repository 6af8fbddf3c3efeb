#include "runtime/tree_operator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "kernels/tree_mask/tree_mask.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "plan/tree_columns.hpp"
#include "plan/tree_shape.hpp"
#include "runtime/load_rows.hpp"
#include "runtime/tree_engine.hpp"
#include "runtime/tree_leaf_pass.hpp"
#include "runtime/tree_slice_engine.hpp"
#include "runtime/tree_walk_engine.hpp"

namespace cordwood::runtime {

struct TreeOperator::State {
  cordwood_tree_attributes attributes{};
  std::unique_ptr<TreeEngine> engine;
  std::unique_ptr<TreeEngine> few;  ///< runs batches of up to kFewRows; may be null
  std::unique_ptr<LeafPass> pass;   ///< answers from the leaves that an engine finds; may be null
  uint32_t n_inputs = 0;            ///< features, or columns of bins
  uint8_t bin_dtype = 0;            ///< where rows are bins, their type
  std::string_view name;
  plan::Reason reason{};

  [[nodiscard]] const TreeEngine& engine_for(uint64_t n_rows) const noexcept;

  /// Rows of one block of a leaf pass.
  [[nodiscard]] uint64_t pass_rows() const noexcept;
  [[nodiscard]] uint64_t row_bytes() const noexcept {
    return uint64_t{attributes.n_outputs} * format::dtype_bits(attributes.accumulate_type) / 8;
  }
};

namespace {

using plan::Reason;

// A block of the slice engine costs the same for one row and for 512. Where tree_mask cannot take
// its place (trees of more than 64 leaves), batches of up to this many rows are walked.
constexpr uint64_t kFewRows = 7;

// Leaves of a block on their way to a leaf pass: a chunk of the walk engine is the better the longer,
// as long as they keep to the last cache levels.
constexpr uint64_t kPassBytes = 4u << 20;

// The whole choice of engine. Evaluating every node of a tree of up to 256 leaves for 512 rows at once
// beats walking it wherever vectors are long; larger trees, and processors without such vectors, walk.
// Rows of bins have byte columns where the shape alone says slice (`has_byte_bins`); these walk, too.
bool choose_slice(const format::TreeArrays& arrays, const KernelRow& kernels, EngineChoice choice,
                  Reason& reason) {
  if (!plan::can_slice(arrays, reason)) return false;
  if (choice != EngineChoice::kFastest) {
    plan::explain(reason, "forced");
    return choice == EngineChoice::kSlice;
  }
  if (!kernels.slice_pays) {
    plan::explain(reason, "this instruction set walks faster than it evaluates all nodes");
    return false;
  }
  return plan::suits_slice(arrays, reason);
}

template <class Sum>
void divide(Sum* sums, uint64_t count, double divisor) {
  // The divisor is a count of trees, exact in either type.
  const auto by = static_cast<Sum>(divisor);
  for (uint64_t i = 0; i < count; ++i) sums[i] /= by;
}

}  // namespace

Result<TreeOperator> TreeOperator::prepare(format::TreeArrays&& arrays, const KernelRow& kernels,
                                           EngineChoice choice) noexcept {
  return guard_memory("tree operator", [&]() -> Result<TreeOperator> {
    auto state = std::make_unique<State>();
    state->attributes = arrays.attributes;
    state->n_inputs = arrays.attributes.n_features;
    if (needs_leaf_pass(arrays)) {
      Result<std::unique_ptr<LeafPass>> pass = arrays.linear_start.empty()
                                                   ? make_median_pass(arrays)
                                                   : make_linear_pass(arrays, kernels);
      CORDWOOD_RETURN_IF_FAILED(pass.status());
      state->pass = std::move(*pass);
    }
    const bool slice = choose_slice(arrays, kernels, choice, state->reason);
    state->name = slice ? "slice" : "walk";
    if (!slice) {
      Result<std::unique_ptr<TreeEngine>> engine =
          make_walk_engine(arrays, kernels, kernels.slice_pays);
      CORDWOOD_RETURN_IF_FAILED(engine.status());
      state->engine = std::move(*engine);
      return TreeOperator(std::move(state));
    }
    Result<std::unique_ptr<TreeEngine>> engine = make_slice_engine(arrays, kernels);
    CORDWOOD_RETURN_IF_FAILED(engine.status());
    state->engine = std::move(*engine);
    if (plan::most_leaves(arrays) > kernels::kMaskMaxLeaves && choice == EngineChoice::kFastest) {
      Result<std::unique_ptr<TreeEngine>> few = make_walk_engine(arrays, kernels, false);
      CORDWOOD_RETURN_IF_FAILED(few.status());
      state->few = std::move(*few);
    }
    return TreeOperator(std::move(state));
  });
}

Result<TreeOperator> TreeOperator::prepare_binned(format::TreeArrays&& arrays,
                                                  const plan::BinForm& binning,
                                                  const KernelRow& kernels) noexcept {
  return guard_memory("tree operator", [&]() -> Result<TreeOperator> {
    auto state = std::make_unique<State>();
    state->attributes = arrays.attributes;
    state->n_inputs = static_cast<uint32_t>(binning.n_columns());
    const bool bytes = binning.bin_bytes() == 1;
    const bool slice = bytes && kernels.slice_pays;
    state->bin_dtype = bytes ? CORDWOOD_DTYPE_UINT8 : CORDWOOD_DTYPE_UINT16;
    state->name = slice ? "slice" : "walk";
    plan::explain(state->reason, "rows are bins of %llu bytes", binning.bin_bytes());
    if (needs_leaf_pass(arrays)) {
      Result<std::unique_ptr<LeafPass>> pass = make_median_pass(arrays);
      CORDWOOD_RETURN_IF_FAILED(pass.status());
      state->pass = std::move(*pass);
    }
    const auto walk = [&](bool with_tops) {
      return make_walk_engine(arrays, kernels, with_tops, binning.columns());
    };
    Result<std::unique_ptr<TreeEngine>> engine =
        slice ? make_slice_engine(arrays, kernels, binning.columns()) : walk(kernels.slice_pays);
    CORDWOOD_RETURN_IF_FAILED(engine.status());
    state->engine = std::move(*engine);
    if (slice && plan::most_leaves(arrays) > kernels::kMaskMaxLeaves) {
      Result<std::unique_ptr<TreeEngine>> few = walk(false);
      CORDWOOD_RETURN_IF_FAILED(few.status());
      state->few = std::move(*few);
    }
    return TreeOperator(std::move(state));
  });
}

const TreeEngine& TreeOperator::State::engine_for(uint64_t n_rows) const noexcept {
  return few != nullptr && n_rows <= kFewRows ? *few : *engine;
}

TreeOperator::TreeOperator(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
TreeOperator::TreeOperator(TreeOperator&&) noexcept = default;
TreeOperator& TreeOperator::operator=(TreeOperator&&) noexcept = default;
TreeOperator::~TreeOperator() = default;

uint64_t TreeOperator::State::pass_rows() const noexcept {
  constexpr uint64_t block = kernels::kSliceRows;
  if (name == "slice") return block;
  const uint64_t leaf_bytes = std::max<uint64_t>(attributes.n_trees, 1) * sizeof(int32_t);
  return std::max(kPassBytes / leaf_bytes / block * block, block);
}

Status TreeOperator::check(const RowsView& rows) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check_rows(rows, state_->n_inputs));
  if (state_->bin_dtype == 0 || rows.dtype == state_->bin_dtype) return {};
  return fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
              "bins have element type number {}, the model expects {}", rows.dtype,
              state_->bin_dtype);
}

Status TreeOperator::margin(const RowsView& rows, const void* start, void* out,
                            std::span<std::byte> scratch) const noexcept {
  const cordwood_tree_attributes& trees = state_->attributes;
  CORDWOOD_RETURN_IF_FAILED(check(rows));
  CORDWOOD_RETURN_IF_FAILED(state_->pass != nullptr
                                ? pass_over_leaves(rows, start, out, scratch)
                                : state_->engine_for(rows.n_rows).sums(rows, start, out, scratch));
  if (trees.aggregate != CORDWOOD_AGGREGATE_AVERAGE) return {};
  const uint64_t count = rows.n_rows * trees.n_outputs;
  if (trees.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    divide(static_cast<float*>(out), count, trees.divisor);
  } else {
    divide(static_cast<double*>(out), count, trees.divisor);
  }
  return {};
}

Status TreeOperator::pass_over_leaves(const RowsView& rows, const void* start, void* out,
                                      std::span<std::byte> scratch) const noexcept {
  const uint64_t most = std::min(rows.n_rows, state_->pass_rows());
  const TreeEngine& engine = state_->engine_for(rows.n_rows);
  Scratch parts(scratch);
  auto* leaf = parts.take<int32_t>(most * state_->attributes.n_trees);
  const std::span<std::byte> rest = parts.rest(scratch);
  for (uint64_t first = 0; first < rows.n_rows; first += most) {
    const RowsView block = rows.slice(first, std::min(most, rows.n_rows - first));
    const uint64_t offset = first * state_->row_bytes();
    const auto* from = start != nullptr ? static_cast<const std::byte*>(start) + offset : nullptr;
    CORDWOOD_RETURN_IF_FAILED(engine.leaves(block, LeafAnswer::kRow, {leaf, 1, most}, rest));
    CORDWOOD_RETURN_IF_FAILED(state_->pass->answer(block, {leaf, most}, from,
                                                   static_cast<std::byte*>(out) + offset, rest));
  }
  return {};
}

Status TreeOperator::leaves(const RowsView& rows, int32_t* out,
                            std::span<std::byte> scratch) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(rows));
  return state_->engine_for(rows.n_rows)
      .leaves(rows, LeafAnswer::kNumber, {out, state_->attributes.n_trees, 1}, scratch);
}

size_t TreeOperator::scratch_bytes(uint64_t n_rows) const noexcept {
  // Also enough for any shorter call.
  const size_t few =
      state_->few != nullptr ? state_->few->scratch_bytes(std::min(n_rows, kFewRows)) : 0;
  const size_t engine = std::max(few, state_->engine->scratch_bytes(n_rows));
  if (state_->pass == nullptr) return engine;
  const uint64_t block = std::min(n_rows, state_->pass_rows());
  return Scratch::bytes_for<int32_t>(block * state_->attributes.n_trees) +
         std::max(engine, state_->pass->scratch_bytes(block));
}

uint64_t TreeOperator::preferred_rows() const noexcept {
  return state_->engine->preferred_rows();
}

uint64_t TreeOperator::resident_bytes() const noexcept {
  return state_->engine->resident_bytes() +
         (state_->few != nullptr ? state_->few->resident_bytes() : 0) +
         (state_->pass != nullptr ? state_->pass->resident_bytes() : 0);
}

std::string_view TreeOperator::engine() const noexcept {
  return state_->name;
}

std::string_view TreeOperator::engine_reason() const noexcept {
  return state_->reason.data();
}

const cordwood_tree_attributes& TreeOperator::attributes() const noexcept {
  return state_->attributes;
}

}  // namespace cordwood::runtime
