// tree_heap: one row through full trees of up to six levels, by their conditions as one word a tree.
//
// A tree's inner nodes lie in level order, the children of node i being 2i and 2i + 1, the root node 1.
// All of them are compared at once, and bit i of the tree's word says "goes right at node i". The walk
// down is then arithmetic on the word:
//
//     node = 2 * node + (word >> node & 1)
//
// Two bytes a node are read, where tree_mask reads ten for trees of 64 leaves.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

inline constexpr uint32_t kHeapNodes = 64;  // entry 0 of a tree is not used
inline constexpr uint32_t kHeapLevels = 6;
inline constexpr uint32_t kHeapTreesAtOnce = 8;

/// A place below an early leaf asks what never goes right: no bin is above 255.
struct HeapModel {
  const uint8_t* columns;  ///< [n_trees][kHeapNodes] which bin the node reads
  const uint8_t* ranks;    ///< [n_trees][kHeapNodes] goes right where bin > rank
  uint32_t n_trees;        ///< a multiple of kHeapTreesAtOnce; the last may be there to fill it up
  uint32_t n_columns;
  uint32_t levels;  ///< of every tree
};

/// `bins` holds 256 bytes, `words` is scratch for a word a tree, 64-byte aligned; `places` takes the end
/// of each tree that the row arrives at, from left to right.
using TreeHeap = void (*)(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                          uint32_t* places) noexcept;

namespace scalar {
void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                  uint32_t* places) noexcept;
}
namespace avx2 {
void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                  uint32_t* places) noexcept;
}
namespace avx512icl {
void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                  uint32_t* places) noexcept;
}

}  // namespace cordwood::kernels
