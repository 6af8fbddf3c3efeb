// Tables of tree_lookup, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "format/trees.hpp"
#include "kernels/tree_slice/tree_lookup.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "plan/tree_columns.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {

class LookupPlan {
 public:
  /// Numbers of rows at which tree_lookup beats all else, where it pays; none where it cannot take these
  /// trees.
  struct Rows {
    uint64_t least = 0;
    uint64_t most = 0;
  };
  [[nodiscard]] static Rows rows(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
                                 const SlicePlan& slice);

  LookupPlan(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
             const SliceConditions& conditions);

  /// As the kernel takes it.
  [[nodiscard]] kernels::LookupModel model(const cordwood_tree_attributes& attributes,
                                           const SliceConditions& conditions,
                                           const uint32_t* tree_output) const noexcept;

  /// Scratch of the kernel, which it has where a word of tree_slice has its conditions.
  [[nodiscard]] size_t scratch_words() const noexcept;

  /// Bins, leaves and sums lie as those of a word of tree_slice.
  [[nodiscard]] static kernels::LookupTask task(const kernels::SliceTask& word) noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return columns_.size() + ranks_.size() +
           (keep_.size() + values_.size() + first_eight_.size()) * sizeof(uint32_t) +
           eights_.size() * sizeof(kernels::LookupEight);
  }

 private:
  void lay_nodes(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
                 const SliceConditions& conditions);
  void add_category_node(uint32_t number, uint32_t set, uint32_t keep);
  template <class Float>
  void lay_values(const format::TreeArrays& arrays);

  uint32_t tree_nodes_;
  uint32_t n_sets_;
  AlignedVector<uint8_t> columns_;
  AlignedVector<uint8_t> ranks_;
  AlignedVector<uint32_t> keep_;
  AlignedVector<uint32_t> values_;
  std::vector<kernels::LookupEight> eights_;
  std::vector<uint32_t> first_eight_ = {0};
};

}  // namespace cordwood::runtime
