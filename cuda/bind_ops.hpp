// What the extension module offers beside its table: functions on plain arrays of a device.
#pragma once

#include <pybind11/pybind11.h>

namespace cordwood::cuda {

void register_ops(pybind11::module_& m);

}  // namespace cordwood::cuda
