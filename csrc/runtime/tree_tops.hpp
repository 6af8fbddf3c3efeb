// The upper levels of large trees, run by tree_slice: where a walk starts for each row.
//
// Every row passes the same few nodes at the top of a tree, one dependent load after the other.
// Evaluating them for 512 rows at once costs a fraction of walking them, so a walk begins further down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "plan/tree_columns.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {

class TreeTops {
 public:
  static constexpr uint32_t kLevels = 7;
  static constexpr uint32_t kExits = 128;
  static_assert(1u << kLevels == kExits && kExits <= kernels::kSliceMaxLeaves);

  /// Cuts every tree below its seventh level. Columns are those of `arrays`, so that both read the same
  /// loaded features.
  static Result<TreeTops> build(const format::TreeArrays& arrays) noexcept;

  /// Columns to bin, eight bits wide.
  [[nodiscard]] const plan::TreeColumns& columns() const noexcept { return columns_; }

  /// Exit of each row from each top, by number. `bins` is [columns][block_rows] and `exits`
  /// [n_trees][block_rows], where `block_rows` is 512 or 64 (tree_slice).
  void run(const KernelRow& kernels, uint64_t block_rows, const uint8_t* bins, uint8_t* exits,
           std::span<std::byte> scratch) const noexcept;

  /// Where walks go on below the exits of a tree, by exit number: places of tree_walk.
  [[nodiscard]] const uint64_t* places_below(uint64_t tree) const noexcept {
    return places_below_.data() + tree * kExits;
  }

  [[nodiscard]] size_t scratch_bytes() const noexcept;
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  TreeTops(const format::TreeArrays& tops, plan::TreeColumns&& columns,
           std::vector<uint64_t>&& below);

  plan::TreeColumns columns_;
  SliceConditions conditions_;
  SlicePlan slice_;
  std::vector<uint64_t> places_below_;
};

}  // namespace cordwood::runtime
