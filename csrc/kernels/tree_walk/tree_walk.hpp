// tree_walk: from the root of a tree to the leaf, node by node, on 16-bit bins.
//
// The engine for trees too large to evaluate whole. Inner nodes of a tree lie in preorder, 8 bytes
// each; leaves take no room. The left child is the next node, so that a walk to the left stays in the
// cache line:
//
//     bits  0-25  distance to the right child: inner nodes from here to it
//          26     the left child is a leaf
//          27     the right child is a leaf
//          28     NaN goes left
//          29-44  rank: cut, or set, in the column
//          45     category node
//          46-63  column
//
// A left subtree of n inner nodes has n + 1 leaves, which is the distance too: one addition keeps count
// of both, and a walk ends with the number of its leaf, from left to right.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct WalkModel {
  const uint64_t* nodes;            ///< all trees, and one node more that may be read
  const uint64_t* set_words;        ///< right-going bits of all category sets; null: none
  const uint64_t* column_set_bit;   ///< [n_columns] first bit of the column's set 0
  const uint32_t* column_set_step;  ///< [n_columns] bits a set takes: listed values + 1
};

/// `n_walks` walks; walk i starts at the place `starts[i]` where that is given, else at `start`, and
/// reads the bins of row `rows[i]` where that is given, else of row i. `starts` may be `out`.
struct WalkTask {
  const uint64_t* starts;  ///< null: all walks start at `start`
  uint64_t start;
  const uint16_t* bins;  ///< C order [rows, n_columns]; eight bytes past the last must be readable
  const uint32_t* rows;  ///< null: walk i reads row i
  uint32_t n_columns;
  bool one_row;     ///< all walks read row 0, whatever `rows` says
  bool even;        ///< most walks take about as many steps as the longest
  uint32_t levels;  ///< no walk visits more inner nodes than this
  uint64_t n_walks;
  uint64_t* out;  ///< [n_walks] the places of the leaves
};

using TreeWalkU16 = void (*)(const WalkModel& model, const WalkTask& task) noexcept;

namespace scalar {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}
namespace avx2 {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}
namespace avx512 {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}
namespace neon {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}

}  // namespace cordwood::kernels
