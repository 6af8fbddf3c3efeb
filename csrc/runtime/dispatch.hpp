// The one table of instruction-set rows, and the one choice that a process makes from it.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "kernels/link/link.hpp"

namespace cordwood::runtime {

/// Kernels that belong together: one name, one probe, one pointer for each operation.
struct KernelRow {
  const char* name;
  bool (*probe)() noexcept;
  kernels::LinkF32 link_f32;
  kernels::LinkF64 link_f64;
};

/// All rows of this build, best first; the last one is `scalar`, which every machine has.
[[nodiscard]] std::span<const KernelRow> all_rows() noexcept;

/// Whether this machine can run the row.
[[nodiscard]] bool row_available(const KernelRow& row) noexcept;

/// The row of this process: the best available one, or what CORDWOOD_ISA names. The choice is made
/// at the first call and stays. An unknown or unavailable name fails at every call.
[[nodiscard]] Result<const KernelRow*> active_row() noexcept;

}  // namespace cordwood::runtime
