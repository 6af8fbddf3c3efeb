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
// Category nodes take steps of their own, those of one column together: what a bin answers to all of
// them lies side by side, a bit a lane, so that the row's bin says where to read.
//
//     bits     [bin][step]  `lanes` bits: which lanes go right
//     keep     [step][lane]
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
  uint32_t first_run;
  uint32_t n_runs;
};

/// The category steps of one column of a group.
struct MaskRun {
  uint64_t first_bit_byte;  ///< of MaskModel::bits
  uint32_t first_step;      ///< of MaskModel::run_keep
  uint32_t n_steps;
  uint32_t column;
  uint32_t reserved;
};

struct MaskModel {
  const MaskGroup* groups;
  const uint8_t* columns;
  const uint8_t* ranks;
  const void* keep;  ///< uint32_t (16 lanes) or uint64_t (8 lanes)
  const MaskRun* runs;
  const uint8_t* bits;   ///< two bytes (16 lanes) or one (8 lanes) for each bin and step of a run
  const void* run_keep;  ///< as `keep`
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
namespace neon {
void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept;
}

}  // namespace cordwood::kernels
