// Tables of tree_slice and tree_mask, built from the packed trees.
#pragma once

#include <cstdint>
#include <vector>

#include "format/trees.hpp"
#include "kernels/tree_mask/tree_mask.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "runtime/aligned.hpp"
#include "runtime/tree_columns.hpp"

namespace cordwood::runtime {

/// The distinct questions that the nodes ask, and each node's number among them.
class SliceConditions {
 public:
  SliceConditions(const format::TreeArrays& arrays, const TreeColumns& columns);

  [[nodiscard]] const std::vector<kernels::SliceColumn>& columns() const noexcept {
    return columns_;
  }
  [[nodiscard]] uint32_t count() const noexcept { return count_; }

  /// Condition of an inner node.
  [[nodiscard]] uint32_t of(uint64_t node) const noexcept { return node_condition_[node]; }

  /// Membership tables of all category conditions, 32 bytes each; and the node's among them.
  [[nodiscard]] const std::vector<uint8_t>& tables() const noexcept { return tables_; }
  [[nodiscard]] uint32_t table_of(uint64_t node) const noexcept;

  /// Nodes are asked for while plans are built only.
  void forget_nodes() noexcept { node_condition_ = {}; }

 private:
  std::vector<kernels::SliceColumn> columns_;
  std::vector<uint8_t> ranks_;
  std::vector<uint8_t> tables_;
  std::vector<uint32_t> node_condition_;
  std::vector<uint32_t> condition_table_;
  uint32_t count_ = 0;
};

struct SlicePlan {
  std::vector<kernels::SliceOperation> operations;
  std::vector<kernels::SliceGroup> groups;

  SlicePlan(const format::TreeArrays& arrays, const SliceConditions& conditions);

 private:
  void add_group(const format::TreeArrays& arrays, const SliceConditions& conditions,
                 kernels::SliceGroup group);
};

/// Leaf values as tree_slice looks them up (SliceModel::planes).
[[nodiscard]] AlignedVector<uint8_t> leaf_planes(const format::TreeArrays& arrays,
                                                 const SlicePlan& plan);

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
