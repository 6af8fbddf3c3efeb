// The one place where a Status becomes a Python exception.
#pragma once

#include "base/result.hpp"

namespace cordwood::bindings {

/// Raises the child of cordwood.errors.CordwoodError that fits the code. Needs the GIL.
[[noreturn]] void throw_status(const Status& status);

/// The same for a failure that comes in words: a device's own.
[[noreturn]] void throw_message(int32_t code, const char* message);

/// Raises unless the status is ok.
inline void throw_unless_ok(const Status& status) {
  if (!status.ok()) throw_status(status);
}

}  // namespace cordwood::bindings
