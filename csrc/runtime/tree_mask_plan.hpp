// Tables of tree_mask, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "format/trees.hpp"
#include "kernels/tree_mask/tree_mask.hpp"
#include "plan/tree_columns.hpp"
#include "runtime/tree_slice_plan.hpp"

namespace cordwood::runtime {

struct MaskPlan {
  std::vector<kernels::MaskGroup> groups;
  AlignedVector<uint8_t> columns;
  AlignedVector<uint8_t> ranks;
  AlignedVector<uint32_t> keep32;
  AlignedVector<uint64_t> keep64;
  std::vector<kernels::MaskRun> runs;
  std::vector<uint8_t> bits;
  AlignedVector<uint32_t> run_keep32;
  AlignedVector<uint64_t> run_keep64;
  uint32_t lanes = 0;

  MaskPlan(const format::TreeArrays& arrays, const plan::TreeColumns& columns,
           const SliceConditions& conditions);

  /// As the kernel takes it.
  [[nodiscard]] kernels::MaskModel model(size_t n_columns) const noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return columns.size() + ranks.size() + bits.size() + runs.size() * sizeof(kernels::MaskRun) +
           (keep32.size() + run_keep32.size()) * sizeof(uint32_t) +
           (keep64.size() + run_keep64.size()) * sizeof(uint64_t);
  }

 private:
  struct CategoryNode;

  void resize(size_t entries);  ///< new entries ask nothing: no bin is above 255
  void put_keep(size_t at, uint64_t keep);
  void add_runs(std::vector<CategoryNode>& nodes, const SliceConditions& conditions,
                const plan::TreeColumns& tree_columns, kernels::MaskGroup& group);
};

}  // namespace cordwood::runtime
