#include "cuda/engine.hpp"

#include <utility>

#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

/// Trees of up to so many leaves are walked as pairs: eight of them lie in a processor's first cache, and
/// a level costs fewer instructions. Larger ones wait for the second, and less often in sectors.
constexpr uint64_t kPairLeaves = 256;

/// Columns, and tables of whole trees where these suit the trees.
Result<Engine> choose_whole(const format::TreeArrays& arrays, const plan::BinForm* binned,
                            uint64_t block_bytes) {
  Engine engine;
  const bool bytes = binned != nullptr ? binned->bin_bytes() == 1
                                       : plan::can_slice(arrays, engine.reason) &&
                                             plan::most_leaves(arrays) <= kSliceLeaves;
  if (binned != nullptr) engine.columns = binned->columns();
  if (bytes) {
    if (binned == nullptr) {
      Result<plan::TreeColumns> columns = plan::TreeColumns::plan(arrays, plan::BinWidth::k8);
      CORDWOOD_RETURN_IF_FAILED(columns.status());
      engine.columns = std::make_shared<const plan::TreeColumns>(std::move(*columns));
    }
    engine.slice = SlicePlan::build(arrays, *engine.columns, block_bytes);
    if (engine.slice) {
      static_assert(kSliceLeaves == 64);
      plan::explain(engine.reason,
                    "none of its trees has over 64 leaves: evaluated whole, for tiles of %llu rows",
                    engine.slice->shape.rows());
      return engine;
    }
    plan::explain(engine.reason, "the conditions of its trees do not fit a block's shared memory");
  }
  if (!bytes || engine.columns == nullptr) {
    plan::explain(engine.reason, "trees of up to %llu leaves, walked node by node",
                  plan::most_leaves(arrays));
  }
  if (binned == nullptr) {
    Result<plan::TreeColumns> columns = plan::plan_walk_columns(arrays);
    CORDWOOD_RETURN_IF_FAILED(columns.status());
    engine.columns = std::make_shared<const plan::TreeColumns>(std::move(*columns));
  }
  return engine;
}

}  // namespace

Result<Engine> choose_engine(const format::TreeArrays& arrays, const plan::BinForm* binned,
                             uint64_t block_bytes) {
  Result<Engine> engine = choose_whole(arrays, binned, block_bytes);
  CORDWOOD_RETURN_IF_FAILED(engine.status());
  if (plan::most_leaves(arrays) > kPairLeaves) {
    engine->sectors = SectorPlan::build(arrays, *engine->columns, block_bytes);
    if (engine->sectors) {
      plan::explain(engine->reason, "trees of up to %llu leaves, walked three levels at a time",
                    plan::most_leaves(arrays));
      return engine;
    }
  }
  engine->pairs = PairPlan::build(arrays, *engine->columns, block_bytes);
  if (engine->pairs) return engine;
  Result<plan::WalkPlan> walk = plan::WalkPlan::build(arrays, *engine->columns);
  CORDWOOD_RETURN_IF_FAILED(walk.status());
  engine->walk = std::move(*walk);
  return engine;
}

}  // namespace cordwood::cuda
