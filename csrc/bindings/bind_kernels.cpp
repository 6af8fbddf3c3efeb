// Kernels by name of their instruction set: what the tests compare row by row.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string_view>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "bindings/rooms.hpp"
#include "format/layout.h"
#include "runtime/dispatch.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

template <class T>
py::array_t<T> run_link(void (*kernel)(const kernels::LinkTask<T>&) noexcept,
                        const py::array_t<T>& margin, uint32_t kind, double scale,
                        bool complement) {
  if (margin.ndim() != 2 || (complement && margin.shape(1) != 1) || kind > CORDWOOD_LINK_SOFTMAX ||
      (margin.flags() & py::array::c_style) == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "link",
                      "expected C-ordered margins of 2 dimensions, one column for a complement, "
                      "and a kind up to {}",
                      CORDWOOD_LINK_SOFTMAX));
  }
  const py::ssize_t columns = complement ? 2 : margin.shape(1);
  py::array_t<T> out({margin.shape(0), columns});
  if (out.size() == 0) return out;
  kernel({.margin = margin.data(),
          .out = out.mutable_data(),
          .n_rows = static_cast<uint64_t>(margin.shape(0)),
          .n_columns = static_cast<uint64_t>(margin.shape(1)),
          .scale = scale,
          .kind = kind,
          .complement = complement ? 1u : 0u});
  return out;
}

py::array link(const py::array& margin, std::string_view isa, uint32_t kind, double scale,
               bool complement) {
  const runtime::KernelRow& row = kernel_row(isa);
  if (py::isinstance<py::array_t<float>>(margin)) {
    return run_link<float>(row.link_f32, py::array_t<float>(margin), kind, scale, complement);
  }
  if (py::isinstance<py::array_t<double>>(margin)) {
    return run_link<double>(row.link_f64, py::array_t<double>(margin), kind, scale, complement);
  }
  throw_status(
      fail(CORDWOOD_STATUS_dtype_not_supported, "link", "expected margins of float32 or float64"));
}

}  // namespace

void register_kernels(py::module_& m) {
  m.def("link", &link, py::arg("margin"), py::kw_only(), py::arg("isa"), py::arg("kind"),
        py::arg("scale") = 1.0, py::arg("complement") = false,
        "Put margins through a link (0 identity, 1 sigmoid, 2 exp, 3 softmax).");
}

}  // namespace cordwood::bindings
