// tree_slice: all nodes of all trees for a block of 512 rows, one bit a row.
//
// No tree is walked. Number a tree's inner nodes in order: node i stands between leaf i and leaf
// i + 1. With c the bit vector "goes right at node i", and hi and lo the nearest ancestors to the
// right and to the left (zeros and ones where there is none),
//
//     r[i] = (c | r[hi]) & r[lo]
//
// says "the exit leaf is beyond i", for trees of any shape: one three-input operation a node for all
// rows. The r[i] are a thermometer code of the exit leaf; digit p of its number is the exclusive or of
// r at the multiples of 2^p, less one. Conditions are shared: each distinct (column, rank) is
// compared once a block, however many trees ask for it.
//
// A few rows go through the same tables as one word of 64 rows.
//
// Up to four trees make a group, so that one node's store-to-load latency hides behind the others. A
// group is a straight list of operations on one file of bit vectors, scheduled at load:
//
//     slot 0: zeros | slot 1: ones | nodes of tree 0 | nodes of tree 1 | ...
//
// Large trees have enough nodes a level to hide it themselves: of 128 leaves there are two in a group, of
// 256 one, and the file stays as small.
//
// Where a tree is full, or nearly so, the digits come straight from its conditions: the first digit is
// the root's condition, and every digit read chooses between the two halves of all deeper levels. That
// is one operation a node as well, but with nothing to store and no file to read. In an oblivious
// tree, whose levels ask one question each, the conditions are the digits.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

inline constexpr uint32_t kSliceRows = 512;
inline constexpr uint32_t kSliceWordRows = 64;
inline constexpr uint32_t kSliceMaxLeaves = 256;
inline constexpr uint32_t kSliceMaxDigits = 8;
inline constexpr uint32_t kSliceTrees = 4;  // most trees of a group
inline constexpr uint32_t kSliceWords = kSliceRows / 64;
inline constexpr uint32_t kSliceZeros = 0;
inline constexpr uint32_t kSliceOnes = 1;
inline constexpr uint32_t kSliceSlots = 2 + 255;
inline constexpr uint32_t kSliceAhead = 24;  // operations past the last one that may be read

/// Trees of a group whose leaf numbers have this many digits.
static constexpr uint32_t slice_trees(uint32_t digits) {
  return digits <= 6 ? 4 : (digits == 7 ? 2 : 1);
}

/// Slot of inner node `node` (in order) of tree `tree` of a group.
static constexpr uint32_t slice_slot(uint32_t digits, uint32_t tree, uint32_t node) {
  return 2 + tree * ((1u << digits) - 1) + node;
}

/// Entries of a group's leaf tables.
static constexpr uint32_t slice_entries(uint32_t digits) {
  return digits <= 6 ? 64 : 256;
}

/// The conditions that read one column of bins: ranks (goes right where bin > rank) or, for a
/// category column, tables of 256 bits (goes right where the bin's bit is set).
struct SliceColumn {
  uint32_t first_condition;
  uint32_t n_ranks;
  uint32_t n_tables;
  const uint8_t* ranks;   ///< and one more that may be read
  const uint8_t* tables;  ///< 32 bytes each
};

/// r[self] = (condition | r[above]) & r[below].
struct SliceOperation {
  uint32_t condition;
  uint16_t self;
  uint16_t above;
  uint16_t below;
  uint16_t zero;
};

/// How the digits of a group's leaf numbers are found.
enum class SliceForm : uint32_t {
  kAny,        ///< by SliceModel::operations
  kFull,       ///< by all conditions of a full tree, SliceModel::asked
  kOblivious,  ///< by the one condition of each level, SliceModel::asked
};

/// In a full tree that an early leaf ends on one path, all places below it are that leaf's.
struct SliceGroup {
  uint64_t first;         ///< of SliceModel::operations or asked, as the form says
  uint32_t n_operations;  ///< where the form is kAny
  uint32_t first_tree;
  uint32_t n_trees;
  uint32_t digits;  ///< binary digits of the group's largest leaf number, or of a place
  SliceForm form;
  uint8_t tree_digits[kSliceTrees];  ///< of each tree; where the group has more than six, as many
  uint64_t first_plane;  ///< byte of SliceModel::planes where the group's leaf tables start
};

/// Conditions that a tree of a full or oblivious group lists.
static constexpr uint32_t slice_asked(SliceForm form, uint32_t digits) {
  return form == SliceForm::kFull ? (1u << digits) - 1 : digits;
}

struct SliceModel {
  const SliceColumn* columns;
  const SliceOperation* operations;
  const uint32_t* asked;  ///< conditions, tree by tree: level by level, from left to right
  const SliceGroup* groups;
  const uint32_t* tree_output;  ///< [n_trees] first output that the tree's leaves add to
  const uint8_t* planes;  ///< of a group: [n_trees][leaf_width][bytes of a value][slice_entries]
  uint32_t n_columns;
  uint32_t n_groups;
  uint32_t n_conditions;
  uint32_t leaf_width;
};

/// One block. Bins past the last row may hold anything; their answers are not meant to be read.
///
/// The kernels of words take up to 64 rows: every [512] is [64] for them, every [8] is [1], and scratch
/// for bit vectors holds one more than it says, which may be read.
struct SliceTask {
  const uint8_t* bins;   ///< [n_columns][512]
  uint64_t* conditions;  ///< scratch [n_conditions][8], 64-byte aligned
  uint64_t* slots;       ///< scratch [kSliceSlots][8], 64-byte aligned
  uint8_t* leaves;  ///< scratch [4][512], 64-byte aligned; tree_slice_leaves: out [n_trees][512]
  void* sums;       ///< [n_outputs][512] of the accumulate type, holding what sums start from;
                    ///< 64-byte aligned; tree_slice_leaves leaves it alone
  void* spare;      ///< scratch [512] of the accumulate type, 64-byte aligned
  uint32_t n_outputs;
  uint32_t n_rows;
  bool starts_differ;  ///< whether rows start from different values, and not from one an output
};

using TreeSlice = void (*)(const SliceModel& model, const SliceTask& task) noexcept;

#define CORDWOOD_DECLARE_TREE_SLICE(isa)                                                           \
  namespace isa {                                                                                  \
  /* Adds the leaves of every tree, in tree order, to `sums`. */                                   \
  void tree_slice_f32(const SliceModel& model, const SliceTask& task) noexcept;                    \
  void tree_slice_f64(const SliceModel& model, const SliceTask& task) noexcept;                    \
  /* Writes the in-order number, or the place, of each row's exit leaf, tree by tree. */           \
  void tree_slice_leaves(const SliceModel& model, const SliceTask& task) noexcept;                 \
  /* The same for one word of rows. */                                                             \
  void tree_slice_word_f32(const SliceModel& model, const SliceTask& task) noexcept;               \
  void tree_slice_word_f64(const SliceModel& model, const SliceTask& task) noexcept;               \
  void tree_slice_word_leaves(const SliceModel& model, const SliceTask& task) noexcept;            \
  }

CORDWOOD_DECLARE_TREE_SLICE(scalar)
CORDWOOD_DECLARE_TREE_SLICE(avx2)
CORDWOOD_DECLARE_TREE_SLICE(avx512)
CORDWOOD_DECLARE_TREE_SLICE(avx512icl)
CORDWOOD_DECLARE_TREE_SLICE(neon)
#undef CORDWOOD_DECLARE_TREE_SLICE

}  // namespace cordwood::kernels
