// Rows of the dispatch table by name, for the tests' way past the process's own choice.
#pragma once

#include <string_view>

#include "bindings/errors.hpp"
#include "runtime/dispatch.hpp"

namespace cordwood::bindings {

/// The row of this name; raises where this machine cannot run it.
inline const runtime::KernelRow& kernel_row(std::string_view isa) {
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (row.name == isa && runtime::row_available(row)) return row;
  }
  throw_status(fail(CORDWOOD_STATUS_isa_not_available, "instruction set",
                    "this machine cannot run it; see available_isas()"));
}

}  // namespace cordwood::bindings
