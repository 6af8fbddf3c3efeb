// tree_mask: one row, all nodes of all trees, no walk (QuickScorer: Lucchese et al., SIGIR 2015).
//
// A node that the row passes on the right rules out every leaf of its left subtree. Each tree keeps
// one word with a bit a leaf; each node that goes right clears its bits; the lowest bit left is the
// exit leaf. Trees lie side by side in groups, one a lane, and step j of a group holds node j of
// each of its trees, so that one compare decides a step for all of them:
//
//     columns  [step][lane]  which bin the node reads
//     ranks    [step][lane]  goes right where bin > rank; 255 for a lane without such a node
//     keep     [step][lane]  the leaves that stay, as a bit mask
//
// Category nodes are few and follow as a list: they clear bits one by one.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

inline constexpr uint32_t kMaskMaxColumns = 256;
inline constexpr uint32_t kMaskMaxLeaves = 64;
inline constexpr uint32_t kMaskLanes32 = 16;  // trees of up to 32 leaves
inline constexpr uint32_t kMaskLanes64 = 8;   // trees of up to 64 leaves

struct MaskGroup {
  uint32_t first_step;  ///< of all groups' steps; a multiple of 64 / lanes
  uint32_t n_steps;     ///< a multiple of 64 / lanes
  uint32_t first_category;
  uint32_t n_categories;
};

struct MaskCategory {
  uint64_t keep;
  uint32_t table;  ///< of 256 bits: goes right where the bin's bit is set
  uint16_t column;
  uint16_t lane;
};

struct MaskModel {
  const MaskGroup* groups;
  const uint8_t* columns;
  const uint8_t* ranks;
  const void* keep;  ///< uint32_t (16 lanes) or uint64_t (8 lanes)
  const MaskCategory* categories;
  const uint8_t* tables;  ///< 32 bytes each
  uint32_t n_groups;
  uint32_t n_columns;
  uint32_t lanes;
};

/// `bins` holds kMaskMaxColumns bytes; `leaves` takes n_groups * lanes in-order leaf numbers.
using TreeMask = void (*)(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept;

namespace scalar {
void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept;
}
namespace avx2 {
void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept;
}
namespace avx512icl {
void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept;
}

}  // namespace cordwood::kernels
