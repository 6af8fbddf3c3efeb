// Tables of tree_mask, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "format/trees.hpp"
#include "kernels/tree_mask/tree_mask.hpp"
#include "runtime/aligned.hpp"
#include "runtime/tree_columns.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {

struct MaskPlan {
  std::vector<kernels::MaskGroup> groups;
  AlignedVector<uint8_t> columns;
  AlignedVector<uint8_t> ranks;
  AlignedVector<uint32_t> keep32;
  AlignedVector<uint64_t> keep64;
  std::vector<kernels::MaskCategory> categories;
  uint32_t lanes = 0;

  MaskPlan(const format::TreeArrays& arrays, const TreeColumns& columns,
           const SliceConditions& conditions);

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return columns.size() + ranks.size() + keep32.size() * sizeof(uint32_t) +
           keep64.size() * sizeof(uint64_t) + categories.size() * sizeof(kernels::MaskCategory);
  }

 private:
  void resize(size_t entries);  ///< new entries ask nothing: no bin is above 255
};

}  // namespace cordwood::runtime
