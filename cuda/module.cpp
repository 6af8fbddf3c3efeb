// The extension module: importing it gives the device's table to `cordwood._core`, and asks no driver.
// Its functions on arrays are found in it.
#include <pybind11/pybind11.h>

#include "cuda/backend.hpp"
#include "cuda/bind_ops.hpp"
#include "cuda/device_name.hpp"

namespace py = pybind11;

PYBIND11_MODULE(CORDWOOD_CUDA_MODULE, m, py::mod_gil_not_used()) {
  m.doc() = "Cordwood's models on NVIDIA devices: registers the device when it is imported.";
  m.attr("__version__") = CORDWOOD_VERSION;
  cordwood::cuda::register_ops(m);
  const py::capsule table(cordwood_cuda_backend(), CORDWOOD_BACKEND_CAPSULE);
  py::module_::import("cordwood._core").attr("register_backend")(table);
}
