// The table through which the runtime reaches this device.
#pragma once

#include "runtime/backend.h"

/// The table of this extension; it stays until the process ends. Asking for it touches no driver.
extern "C" const cordwood_backend* cordwood_cuda_backend() noexcept;
