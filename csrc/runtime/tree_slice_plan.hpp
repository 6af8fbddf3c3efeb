// Tables of tree_slice, built from the packed trees.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.hpp"
#include "format/trees.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "plan/tree_columns.hpp"

namespace cordwood::runtime {

/// The distinct questions that the nodes ask, and each node's number among them.
class SliceConditions {
 public:
  SliceConditions(const format::TreeArrays& arrays, const plan::TreeColumns& columns);

  [[nodiscard]] const std::vector<kernels::SliceColumn>& columns() const noexcept {
    return columns_;
  }
  [[nodiscard]] uint32_t count() const noexcept { return count_; }

  /// Condition of an inner node.
  [[nodiscard]] uint32_t of(uint64_t node) const noexcept { return node_condition_[node]; }

  /// Membership tables of all category conditions, 32 bytes each; and the node's among them.
  [[nodiscard]] const std::vector<uint8_t>& tables() const noexcept { return tables_; }
  [[nodiscard]] uint32_t table_of(uint64_t node) const noexcept;
  [[nodiscard]] uint32_t n_tables() const noexcept;

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

class SlicePlan {
 public:
  SlicePlan(const format::TreeArrays& arrays, const SliceConditions& conditions);

  [[nodiscard]] const std::vector<kernels::SliceOperation>& operations() const noexcept {
    return operations_;
  }
  [[nodiscard]] const std::vector<uint32_t>& asked() const noexcept { return asked_; }
  [[nodiscard]] const std::vector<kernels::SliceGroup>& groups() const noexcept { return groups_; }

  /// Leaf of a tree at each place of the full tree that tree_slice answers with; empty where it
  /// answers with leaves.
  [[nodiscard]] std::span<const uint8_t> leaf_of_place(uint64_t tree) const noexcept {
    return {places_.data() + first_place_[tree], first_place_[tree + 1] - first_place_[tree]};
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return operations_.size() * sizeof(kernels::SliceOperation) +
           groups_.size() * sizeof(kernels::SliceGroup) + asked_.size() * sizeof(uint32_t) +
           places_.size() + first_place_.size() * sizeof(uint64_t);
  }

 private:
  struct Tree;
  static Tree plan_tree(const format::TreeArrays& arrays, const SliceConditions& conditions,
                        uint64_t tree);
  void add_group(const format::TreeArrays& arrays, const SliceConditions& conditions,
                 kernels::SliceGroup group, std::vector<Tree>& trees);
  void add_operations(const format::TreeArrays& arrays, const SliceConditions& conditions,
                      kernels::SliceGroup& group);

  std::vector<kernels::SliceOperation> operations_;
  std::vector<uint32_t> asked_;
  std::vector<kernels::SliceGroup> groups_;
  std::vector<uint8_t> places_;
  std::vector<uint64_t> first_place_ = {0};  ///< [n_trees + 1] of places_
};

/// Leaf values as tree_slice looks them up (SliceModel::planes).
[[nodiscard]] AlignedVector<uint8_t> leaf_planes(const format::TreeArrays& arrays,
                                                 const SlicePlan& plan);

}  // namespace cordwood::runtime
