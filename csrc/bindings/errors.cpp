#include "bindings/errors.hpp"

#include <pybind11/pybind11.h>

#include <cstring>

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

/// Name of the exception class in cordwood.errors; docs/errors.md has the same table.
const char* exception_name(cordwood_status code) noexcept {
  switch (code) {
    case CORDWOOD_STATUS_out_of_memory:
    case CORDWOOD_STATUS_thread_not_started:
    case CORDWOOD_STATUS_device_out_of_memory:
      return "ResourceError";
    case CORDWOOD_STATUS_isa_unknown:
    case CORDWOOD_STATUS_isa_not_available:
    case CORDWOOD_STATUS_device_not_available:
    case CORDWOOD_STATUS_device_failed:
    case CORDWOOD_STATUS_device_lost:
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

void throw_message(int32_t code, const char* message) {
  const auto status = static_cast<cordwood_status>(code);
  const py::object type = py::module_::import("cordwood.errors").attr(exception_name(status));
  // A message that was cut may end within a character.
  const auto text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(message, static_cast<py::ssize_t>(std::strlen(message)), "replace"));
  if (!text) throw py::error_already_set();
  const bool carries_code = status < CORDWOOD_STATUS_out_of_memory;
  const py::object error =
      carries_code ? type(text, py::arg("code") = status_name(status)) : type(text);
  PyErr_SetObject(type.ptr(), error.ptr());
  throw py::error_already_set();
}

void throw_status(const Status& status) {
  throw_message(status.code, render(status).c_str());
}

}  // namespace cordwood::bindings
