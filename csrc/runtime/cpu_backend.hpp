// The CPU as a device: the table over runtime::Model.
#pragma once

#include "runtime/backend.h"

namespace cordwood::runtime {

extern const cordwood_backend kCpuBackend;

}  // namespace cordwood::runtime
