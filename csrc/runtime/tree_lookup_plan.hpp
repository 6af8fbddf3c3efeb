// Tables of tree_lookup, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "format/trees.hpp"
#include "kernels/tree_lookup/tree_lookup.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "runtime/aligned.hpp"
#include "runtime/tree_columns.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {

class LookupPlan {
 public:
  /// Scratch of the kernel, which it has where a word of tree_slice has its conditions.
  static constexpr size_t kScratchWords =
      kernels::kLookupRows *
      (kernels::kLookupMaxColumns / sizeof(uint64_t) + kernels::kLookupSteps);

  /// Rows up to which tree_lookup beats tree_slice, where it pays at all; 0 where it does not or cannot
  /// take these trees.
  [[nodiscard]] static uint64_t most_rows(const format::TreeArrays& arrays,
                                          const TreeColumns& columns, const SlicePlan& slice);

  LookupPlan(const format::TreeArrays& arrays, const TreeColumns& columns);

  /// As the kernel takes it.
  [[nodiscard]] kernels::LookupModel model(const cordwood_tree_attributes& attributes,
                                           const uint32_t* tree_output,
                                           size_t n_columns) const noexcept;

  /// Bins, leaves and sums lie as those of a word of tree_slice.
  [[nodiscard]] static kernels::LookupTask task(const kernels::SliceTask& word) noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return columns_.size() + ranks_.size() + (keep_.size() + values_.size()) * sizeof(uint32_t);
  }

 private:
  void lay_nodes(const format::TreeArrays& arrays, const TreeColumns& columns);
  template <class Float>
  void lay_values(const format::TreeArrays& arrays);

  uint32_t tree_nodes_;
  AlignedVector<uint8_t> columns_;
  AlignedVector<uint8_t> ranks_;
  AlignedVector<uint32_t> keep_;
  AlignedVector<uint32_t> values_;
};

}  // namespace cordwood::runtime
