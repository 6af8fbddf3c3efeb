// Tree ensembles expanded from either encoding into plain arrays: what every engine prepares from.
// `expand_trees` is the second half of the door: after it returns, no index in TreeArrays is doubted.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "format/view.hpp"

namespace cordwood::format {

/// One test column: a feature together with how its values are ranked.
struct TreeColumn {
  uint32_t feature = 0;
  uint8_t kind = 0;             ///< enum cordwood_column_kind, without CORDWOOD_COLUMN_NESTS
  bool nests = false;           ///< ranks are stored within what ancestors leave open
  uint32_t size = 0;            ///< cuts (numeric) or sets (category)
  uint64_t first_cut = 0;       ///< numeric: first of `size` entries in TreeArrays::cuts
  uint32_t category_count = 0;  ///< category: listed values
  uint64_t first_category = 0;  ///< category: first entry in TreeArrays::category_values
  uint64_t first_set_bit = 0;   ///< category: first bit of set 0; a set has category_count + 1 bits
};

/// Nodes of all trees in preorder, leaves included; node i+1 is the left child of inner node i.
struct TreeArrays {
  cordwood_tree_attributes attributes{};
  std::vector<TreeColumn> columns;
  std::vector<double> cuts;  ///< in float64 whatever the input type (exact either way)
  std::vector<double> category_values;
  std::vector<uint8_t> set_bits;        ///< packed, least significant bit first; 1 goes right
  std::vector<uint64_t> tree_start;     ///< [n_trees + 1] first node of each tree
  AlignedVector<uint32_t> right;        ///< [n_nodes] distance to the right child; 0 at a leaf
  AlignedVector<uint32_t> column;       ///< [n_nodes] column of an inner node; 0 at a leaf
  AlignedVector<uint32_t> rank;         ///< [n_nodes] cut or set in the column; leaf: its leaf row
  AlignedVector<uint8_t> missing_left;  ///< [n_nodes] 1 where NaN goes left
  std::vector<uint32_t> tree_output;    ///< [n_trees]
  std::vector<double> base_value;       ///< [n_outputs]
  std::vector<double> leaf_values;    ///< [n_leaf_rows * leaf_width] of the accumulate type, exact
                                      ///< in float64; integer leaves have their weights applied
  std::vector<uint32_t> leaf_number;  ///< [n_leaves] in preorder; empty unless numbering is listed
  std::vector<double> tree_weight;    ///< [n_trees] of a weighted median; else empty
  // Linear leaves; all four are empty where leaves are plain.
  std::vector<uint64_t> linear_start;      ///< [n_leaf_rows + 1] first term of each leaf row
  std::vector<uint32_t> linear_feature;    ///< [terms]
  std::vector<double> linear_coefficient;  ///< [terms]
  std::vector<double> linear_constant;     ///< [n_leaf_rows]
};

/// Decodes and checks the tree_ensemble operator `index` of a validated file.
Result<TreeArrays> expand_trees(const FileView& file, uint32_t operator_index) noexcept;

}  // namespace cordwood::format
