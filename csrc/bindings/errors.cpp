#include "bindings/errors.hpp"

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

/// Name of the exception class in cordwood.errors; docs/errors.md has the same table.
const char* exception_name(cordwood_status code) noexcept {
  switch (code) {
    case CORDWOOD_STATUS_out_of_memory:
    case CORDWOOD_STATUS_thread_not_started:
      return "ResourceError";
    case CORDWOOD_STATUS_isa_unknown:
    case CORDWOOD_STATUS_isa_not_available:
    case CORDWOOD_STATUS_device_not_available:
      return "DeviceError";
    case CORDWOOD_STATUS_output_not_available:
      return "UnsupportedMethodError";
    case CORDWOOD_STATUS_dtype_not_supported:
      return "InputTypeError";
    default:
      return code < CORDWOOD_STATUS_out_of_memory ? "FormatError" : "InputError";
  }
}

}  // namespace

void throw_status(const Status& status) {
  const char* name = exception_name(status.code);
  const py::object type = py::module_::import("cordwood.errors").attr(name);
  const py::str message(render(status).c_str());
  const bool carries_code = status.code < CORDWOOD_STATUS_out_of_memory;
  const py::object error =
      carries_code ? type(message, py::arg("code") = status_name(status.code)) : type(message);
  PyErr_SetObject(type.ptr(), error.ptr());
  throw py::error_already_set();
}

}  // namespace cordwood::bindings
