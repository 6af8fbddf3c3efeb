// The one table of instruction-set rows, and the one choice that a process makes from it.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "kernels/link/link.hpp"
#include "kernels/load_columns/load_columns.hpp"
#include "kernels/tree_bin/tree_bin.hpp"
#include "kernels/tree_mask/tree_heap.hpp"
#include "kernels/tree_mask/tree_mask.hpp"
#include "kernels/tree_slice/tree_lookup.hpp"
#include "kernels/tree_slice/tree_slice.hpp"
#include "kernels/tree_walk/tree_walk.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// Kernels that belong together: one name, one probe, one pointer for each operation.
struct KernelRow {
  const char* name;
  bool (*probe)() noexcept;
  bool slice_pays;  ///< whether tree_slice and tree_mask beat tree_walk here (docs/kernels.md)
  const ArrayKernels* arrays;
  /// Whether tree_lookup beats words of tree_slice here, and is used at all. It is in the reference too,
  /// whose slice engine runs where a test asks for it.
  bool lookup_pays;
  kernels::LinkF32 link_f32;
  kernels::LinkF64 link_f64;
  kernels::LinkF32 logit_f32;
  kernels::LinkF64 logit_f64;
  kernels::LoadColumns load_columns_f32_f32;
  kernels::LoadColumns load_columns_f32_f64;
  kernels::LoadColumns load_columns_f64_f32;
  kernels::LoadColumns load_columns_f64_f64;
  kernels::TreeBinF32U8 tree_bin_f32_u8;
  kernels::TreeBinF64U8 tree_bin_f64_u8;
  kernels::TreeBinF32U16 tree_bin_f32_u16;
  kernels::TreeBinF64U16 tree_bin_f64_u16;
  kernels::TreeBinRowF32U8 tree_bin_row_f32_u8;
  kernels::TreeBinRowF64U8 tree_bin_row_f64_u8;
  kernels::TreeBinRowF32U16 tree_bin_row_f32_u16;
  kernels::TreeBinRowF64U16 tree_bin_row_f64_u16;
  kernels::TreeWalkU16 tree_walk_u16;
  kernels::TreeSlice tree_slice_f32;
  kernels::TreeSlice tree_slice_f64;
  kernels::TreeSlice tree_slice_leaves;
  kernels::TreeSlice tree_slice_word_f32;
  kernels::TreeSlice tree_slice_word_f64;
  kernels::TreeSlice tree_slice_word_leaves;
  kernels::TreeLookup tree_lookup_f32;
  kernels::TreeLookup tree_lookup_f64;
  kernels::TreeLookup tree_lookup_leaves;
  kernels::TreeMask tree_mask_u8;
  kernels::TreeHeap tree_heap_u8;
};

/// All rows of this build, best first; the last one is `scalar`, which every machine has.
[[nodiscard]] std::span<const KernelRow> all_rows() noexcept;

/// Whether this machine can run the row.
[[nodiscard]] bool row_available(const KernelRow& row) noexcept;

/// The row of this process: the best available one, or what CORDWOOD_ISA names. The choice is made
/// at the first call and stays. An unknown or unavailable name fails at every call.
[[nodiscard]] Result<const KernelRow*> active_row() noexcept;

}  // namespace cordwood::runtime
