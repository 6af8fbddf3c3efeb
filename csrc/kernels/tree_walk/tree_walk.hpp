// tree_walk: from the root of a tree to the leaf, node by node, on 16-bit bins.
//
// The engine for trees too large to evaluate whole. A node is 8 bytes and the left child is the next
// node, so that a walk to the left stays in the cache line:
//
//     bits  0-26  distance to the right child      leaf: bits 0-43 are the leaf row and
//          27     NaN goes left                          bits 45-63 are all ones
//          28-43  rank: cut, or set, in the column
//          44     category node
//          45-63  column
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct WalkModel {
  const uint64_t* nodes;            ///< all trees, each in preorder
  const uint64_t* set_words;        ///< right-going bits of all category sets; null: none
  const uint64_t* column_set_bit;   ///< [n_columns] first bit of the column's set 0
  const uint32_t* column_set_step;  ///< [n_columns] bits a set takes: listed values + 1
};

/// What a finished walk leaves behind.
enum class WalkAnswer : uint32_t {
  kLeafRow,   ///< the leaf's row in the table of leaf values
  kPosition,  ///< the leaf's position among the nodes of its tree
};

/// `n_walks` walks; walk i starts at node `roots[i]` where roots is given, else at `root`, and reads
/// the bins at `bins + i * bin_step`. Eight bytes past a row's last bin must be readable.
struct WalkTask {
  const uint32_t* roots;  ///< null: all walks start at `root`
  uint32_t root;
  WalkAnswer answer;
  const uint16_t* bins;
  uint64_t bin_step;  ///< bins from one walk to the next; 0: all read the same row
  uint64_t n_walks;
  uint32_t* out;         ///< [n_walks]
  uint32_t most_levels;  ///< no walk visits more inner nodes than this
};

using TreeWalkU16 = void (*)(const WalkModel& model, const WalkTask& task) noexcept;

namespace scalar {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}
namespace avx2 {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}
namespace avx512icl {
void tree_walk_u16(const WalkModel& model, const WalkTask& task) noexcept;
}

}  // namespace cordwood::kernels
