// tree_lookup: up to 64 rows, all nodes of all trees of up to 32 leaves, four nodes a look-up.
//
// As in tree_mask, every node of a tree keeps some of its leaves: all of them where the row goes left,
// those outside its left subtree where it goes right. The first leaf that all nodes keep is the exit
// leaf (QuickScorer: Lucchese et al., SIGIR 2015). Here the nodes' answers lie row by row, a bit a
// node, and what four neighbouring nodes keep together is looked up by their four answers, for as many
// rows at once as a register has lanes.
//
// A step is the nodes of two trees of up to 32 nodes each, or of four of up to 16:
//
//     columns, ranks   [step][64]
//     keep             [tree][tree_nodes / 4][16]   words with a bit a leaf, the first leaf on top
//
//     answers of a row   63 62 61 60 ... 35 34 33 32  31 30 29 28 ... 7 6 5 4  3 2 1 0   node
//                        table 7         table 0      table 7         table 1  table 0
//                        second tree                  first tree
//
// Category nodes are answered as in tree_slice: each set that is asked for is one bit vector over rows,
// however many trees ask. Eight of a tree's, turned, are the answers of each row in one byte, with two
// tables of their own.
#pragma once

#include <cstdint>

#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels {

inline constexpr uint32_t kLookupRows = 64;
inline constexpr uint32_t kLookupMaxColumns = 256;
inline constexpr uint32_t kLookupLeaves = 32;
inline constexpr uint32_t kLookupNodes = 32;     // of a tree
inline constexpr uint32_t kLookupFewNodes = 16;  // of a tree, where no tree has more
inline constexpr uint32_t kLookupStepNodes = 64;
inline constexpr uint32_t kLookupTableNodes = 4;
inline constexpr uint32_t kLookupEntries = 1u << kLookupTableNodes;
inline constexpr uint32_t kLookupSteps = 8;  // whose answers are kept at a time

/// Eight category nodes of one tree. Sets count through all columns; number n_sets, which no row is in, stands
/// where there is no node.
struct LookupEight {
  uint32_t set[8];
  uint32_t keep[2 * kLookupEntries];  ///< by the first four answers and by the last four
};

struct LookupModel {
  const uint8_t* columns;  ///< [n_steps][64] which bin the node reads; 64-byte aligned
  const uint8_t* ranks;  ///< [n_steps][64] goes right where bin > rank; 255 where there is no node
  const uint32_t* keep;  ///< [n_steps][16][16], tree by tree; leaf l is bit 31 - l; 64-byte aligned
  /// [n_trees][leaf_width][pieces][32] leaf values in pieces of 32 bits, the least significant first;
  /// 64-byte aligned
  const uint32_t* values;
  const SliceColumn* sets;      ///< [n_columns] whose tables are the sets
  const LookupEight* eights;    ///< of all trees
  const uint32_t* first_eight;  ///< [n_trees + 1]
  const uint32_t* tree_output;  ///< [n_trees] first output that the tree's leaves add to
  uint32_t n_trees;             ///< the last step may lack some
  uint32_t tree_nodes;          ///< kLookupNodes or kLookupFewNodes
  uint32_t n_columns;
  uint32_t n_sets;
  uint32_t leaf_width;
};

/// Bins past the last row may hold anything; their answers are not meant to be read. All pointers are
/// 64-byte aligned.
struct LookupTask {
  const uint8_t* bins;  ///< [n_columns][64]
  uint8_t* rows;        ///< scratch [64][kLookupMaxColumns]
  uint64_t* answers;    ///< scratch [kLookupSteps][64]
  uint64_t* in_set;     ///< scratch [n_sets + 1]
  uint8_t* leaves;      ///< out [n_trees][64]; tree_lookup_leaves alone
  void* sums;           ///< [n_outputs][64] of the accumulate type, holding what sums start from
  uint32_t n_rows;
};

using TreeLookup = void (*)(const LookupModel& model, const LookupTask& task) noexcept;

#define CORDWOOD_DECLARE_TREE_LOOKUP(isa)                                                          \
  namespace isa {                                                                                  \
  /* Adds the leaves of every tree, in tree order, to `sums`. */                                   \
  void tree_lookup_f32(const LookupModel& model, const LookupTask& task) noexcept;                 \
  void tree_lookup_f64(const LookupModel& model, const LookupTask& task) noexcept;                 \
  /* Writes the in-order number of each row's exit leaf, tree by tree. */                          \
  void tree_lookup_leaves(const LookupModel& model, const LookupTask& task) noexcept;              \
  }

CORDWOOD_DECLARE_TREE_LOOKUP(scalar)
CORDWOOD_DECLARE_TREE_LOOKUP(avx512icl)
#undef CORDWOOD_DECLARE_TREE_LOOKUP

}  // namespace cordwood::kernels
