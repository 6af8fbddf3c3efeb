// The parts of expand_trees: the operator's tensors as plain bytes, and the checks that share them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/codec.hpp"
#include "format/trees.hpp"

namespace cordwood::format {

/// The tensor operands of one tree_ensemble, decoded. An absent tensor has no elements.
class TreeTensors {
 public:
  /// Decodes all and compares dtypes with what docs/format.md lists. May throw std::bad_alloc.
  Status fetch(const FileView& file, const cordwood_operator& op,
               const cordwood_tree_attributes& attributes);

  [[nodiscard]] uint64_t count(cordwood_tree_tensor which) const noexcept { return counts_[which]; }
  [[nodiscard]] bool present(cordwood_tree_tensor which) const noexcept { return present_[which]; }
  [[nodiscard]] std::span<const std::byte> bytes(cordwood_tree_tensor which) const noexcept {
    return bytes_[which].bytes;
  }

  /// Fails unless the tensor has `expected` elements.
  [[nodiscard]] Status expect_count(cordwood_tree_tensor which, uint64_t expected) const noexcept;

  /// Elements of u8, u16 or u32 as u32.
  [[nodiscard]] std::vector<uint32_t> integers(cordwood_tree_tensor which) const;

  /// Elements of f32, f64, i8 or i16 as f64.
  [[nodiscard]] std::vector<double> floats(cordwood_tree_tensor which) const;

  /// Whether the elements are i8 or i16.
  [[nodiscard]] bool has_integers(cordwood_tree_tensor which) const noexcept;

 private:
  std::array<TensorBytes, CORDWOOD_TREE_TENSOR_COUNT> bytes_;
  std::array<uint64_t, CORDWOOD_TREE_TENSOR_COUNT> counts_{};
  std::array<uint8_t, CORDWOOD_TREE_TENSOR_COUNT> dtypes_{};
  std::array<bool, CORDWOOD_TREE_TENSOR_COUNT> present_{};
};

/// "tree_ensemble cuts": a tensor's name in messages.
[[nodiscard]] const char* tree_tensor_place(cordwood_tree_tensor which) noexcept;

/// "cuts": a tensor's name in listings.
[[nodiscard]] const char* tree_tensor_name(cordwood_tree_tensor which) noexcept;

/// Fails where a number is NaN or infinite.
[[nodiscard]] Status check_finite(const std::vector<double>& numbers,
                                  cordwood_tree_tensor which) noexcept;

/// Fills columns, cuts, category values and sets, and checks them. May throw std::bad_alloc.
Status expand_columns(const TreeTensors& tensors, TreeArrays& trees);

/// Fills leaf values as stored, and leaf numbers. May throw std::bad_alloc.
Status expand_leaves(const TreeTensors& tensors, TreeArrays& trees);

/// Fills the terms of linear leaves. May throw std::bad_alloc.
Status expand_linear(const TreeTensors& tensors, TreeArrays& trees);

/// Fills the trees' weights, or multiplies integer leaves by them: comes after expand_nodes, which
/// finds each tree's leaves. May throw std::bad_alloc.
Status expand_weights(const TreeTensors& tensors, TreeArrays& trees);

/// Fills the arrays of nodes and checks them against the columns. May throw std::bad_alloc.
Status expand_nodes(const TreeTensors& tensors, TreeArrays& trees);

}  // namespace cordwood::format
