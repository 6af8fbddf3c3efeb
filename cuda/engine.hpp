// How the device runs the trees of one operator.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "cuda/pair_plan.hpp"
#include "cuda/sector_plan.hpp"
#include "cuda/slice_plan.hpp"
#include "format/trees.hpp"
#include "plan/bin_form.hpp"
#include "plan/tree_columns.hpp"
#include "plan/tree_walk_plan.hpp"

namespace cordwood::cuda {

/// Which columns rows are binned into, and the tables of whole trees where these suit the trees.
struct Engine {
  std::shared_ptr<const plan::TreeColumns> columns;
  std::optional<SlicePlan> slice;
  // What walks go by: one of these.
  std::optional<SectorPlan> sectors;
  std::optional<PairPlan> pairs;
  std::optional<plan::WalkPlan> walk;
  plan::Reason reason{};
};

/// The whole choice of engine. Rows are bins of the columns `binned`, or values where that is null; a block
/// may have `block_bytes` of shared memory. May throw std::bad_alloc.
Result<Engine> choose_engine(const format::TreeArrays& arrays, const plan::BinForm* binned,
                             uint64_t block_bytes);

}  // namespace cordwood::cuda
