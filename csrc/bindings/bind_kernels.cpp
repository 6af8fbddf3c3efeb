// Kernels by name of their instruction set: what the tests compare row by row.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string_view>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "bindings/rooms.hpp"
#include "format/operators.h"
#include "runtime/dispatch.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

/// Attributes of a link, as its operator has them.
struct Attributes {
  uint32_t kind;
  double scale;
  double offset;
  bool complement;
};

/// Columns that come out of `columns`; 0 where the kind does not take them.
py::ssize_t columns_out(const Attributes& link, py::ssize_t columns) {
  const bool pair = link.complement || link.kind == CORDWOOD_LINK_SIGMOID_PAIR;
  if (pair) return columns == 1 ? 2 : 0;
  return link.kind == CORDWOOD_LINK_LOGIT && columns <= 2 ? 1 : columns;
}

template <class T>
py::array_t<T> run_link(void (*kernel)(const kernels::LinkTask<T>&) noexcept,
                        const py::array_t<T>& margin, const Attributes& link) {
  const py::ssize_t columns = margin.ndim() == 2 ? columns_out(link, margin.shape(1)) : 0;
  if (columns == 0 || link.kind > CORDWOOD_LINK_LOGIT ||
      (margin.flags() & py::array::c_style) == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "link",
                      "expected C-ordered margins of 2 dimensions, one column for two out, and a "
                      "kind up to {}",
                      CORDWOOD_LINK_LOGIT));
  }
  py::array_t<T> out({margin.shape(0), columns});
  if (out.size() == 0) return out;
  kernel({.margin = margin.data(),
          .out = out.mutable_data(),
          .n_rows = static_cast<uint64_t>(margin.shape(0)),
          .n_columns = static_cast<uint64_t>(margin.shape(1)),
          .scale = link.scale,
          .offset = link.offset,
          .kind = link.kind,
          .complement = link.complement ? 1u : 0u});
  return out;
}

py::array link(const py::array& margin, std::string_view isa, uint32_t kind, double scale,
               double offset, bool complement) {
  const runtime::KernelRow& row = kernel_row(isa);
  const Attributes link{kind, scale, offset, complement};
  const bool logit = kind == CORDWOOD_LINK_LOGIT;
  if (py::isinstance<py::array_t<float>>(margin)) {
    return run_link<float>(logit ? row.logit_f32 : row.link_f32, py::array_t<float>(margin), link);
  }
  if (py::isinstance<py::array_t<double>>(margin)) {
    return run_link<double>(logit ? row.logit_f64 : row.link_f64, py::array_t<double>(margin),
                            link);
  }
  throw_status(
      fail(CORDWOOD_STATUS_dtype_not_supported, "link", "expected margins of float32 or float64"));
}

}  // namespace

void register_kernels(py::module_& m) {
  m.def("link", &link, py::arg("margin"), py::kw_only(), py::arg("isa"), py::arg("kind"),
        py::arg("scale") = 1.0, py::arg("offset") = 0.0, py::arg("complement") = false,
        "Put margins through a link, by the number of its kind in docs/graph.md.");
}

}  // namespace cordwood::bindings
