// Matrices of weights to packed codes and back.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string_view>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
#include "bindings/unlocked.hpp"
#include "format/layout.h"
#include "runtime/thread_limits.hpp"
#include "runtime/weights.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::CodesView;
using runtime::WeightsForm;
using runtime::WeightsView;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

const runtime::KernelRow& row_of(std::string_view isa) {
  if (!isa.empty()) return kernel_row(isa);
  const auto active = runtime::active_row();
  throw_unless_ok(active.status());
  return **active;
}

unsigned threads_of(unsigned requested) {
  const auto threads = runtime::resolve_threads(requested);
  throw_unless_ok(threads.status());
  return *threads;
}

WeightsForm form_of(uint32_t bits, uint64_t group_size, bool symmetric, bool half_scales) {
  if ((bits != 8 && bits != 4 && bits != 3 && bits != 2) || group_size % 32 != 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "weights",
                      "{} bits in groups of {}; expected 8, 4, 3 or 2 in groups of a multiple of "
                      "32, or of 0 for one group an output",
                      bits, group_size));
  }
  return {bits, group_size, symmetric, half_scales};
}

WeightsView view_of(const py::array& w, int axis) {
  cordwood_rows rows;
  if (!read_rows(w.ptr(), rows) ||
      (rows.dtype != CORDWOOD_DTYPE_FLOAT32 && rows.dtype != CORDWOOD_DTYPE_FLOAT64)) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "weights",
                      "expected an aligned array of two dimensions, float32 or float64"));
  }
  if (rows.n_rows == 0 || rows.n_features == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "weights", "{} x {} holds no weight",
                      rows.n_rows, rows.n_features));
  }
  if (axis == 0) {
    return {rows.data,          rows.dtype,  rows.row_stride,
            rows.column_stride, rows.n_rows, rows.n_features};
  }
  return {rows.data, rows.dtype, rows.column_stride, rows.row_stride, rows.n_features, rows.n_rows};
}

template <class T>
Array<T> new_matrix(uint64_t n_rows, uint64_t n_columns) {
  return Array<T>({static_cast<py::ssize_t>(n_rows), static_cast<py::ssize_t>(n_columns)});
}

void require_shape(const py::array& array, const char* name, uint64_t n_rows, uint64_t n_columns) {
  if (array.ndim() == 2 && static_cast<uint64_t>(array.shape(0)) == n_rows &&
      static_cast<uint64_t>(array.shape(1)) == n_columns) {
    return;
  }
  throw_status(
      fail(CORDWOOD_STATUS_shape_mismatch, name, "expected shape ({}, {})", n_rows, n_columns));
}

/// Codes that are read, or whose scales are: kernels write to none of the arrays given here.
CodesView given_codes(uint8_t* payload, const Array<float>& scales,
                      const std::optional<Array<uint8_t>>& zeros, const WeightsForm& form,
                      uint64_t n_outputs, uint64_t n_inputs) {
  const uint64_t n_groups = runtime::count_groups(form, n_inputs);
  require_shape(scales, "scales", n_outputs, n_groups);
  if (zeros) require_shape(*zeros, "zero points", n_outputs, n_groups);
  return {payload, const_cast<float*>(scales.data()),
          zeros ? const_cast<uint8_t*>(zeros->data()) : nullptr};
}

py::tuple quantize_weights(const py::array& w, int axis, uint32_t bits, uint64_t group_size,
                           bool symmetric, bool half_scales, unsigned threads,
                           std::string_view isa) {
  const runtime::KernelRow& row = row_of(isa);
  const unsigned most_threads = threads_of(threads);
  const WeightsForm form = form_of(bits, group_size, symmetric, half_scales);
  const WeightsView view = view_of(w, axis);
  const uint64_t n_groups = runtime::count_groups(form, view.n_inputs);
  auto payload = new_matrix<uint8_t>(view.n_outputs, runtime::payload_bytes(form, view.n_inputs));
  auto scales = new_matrix<float>(view.n_outputs, n_groups);
  std::optional<Array<uint8_t>> zeros;
  if (!symmetric) zeros = new_matrix<uint8_t>(view.n_outputs, n_groups);
  const CodesView codes{payload.mutable_data(), scales.mutable_data(),
                        zeros ? zeros->mutable_data() : nullptr};
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::quantize_weights(row, view, form, codes, most_threads);
  }();
  throw_unless_ok(status);
  return py::make_tuple(payload, scales, zeros);
}

Array<uint8_t> encode_weights(const py::array& w, const Array<float>& scales,
                              const std::optional<Array<uint8_t>>& zeros, int axis, uint32_t bits,
                              uint64_t group_size, unsigned threads, std::string_view isa) {
  const runtime::KernelRow& row = row_of(isa);
  const unsigned most_threads = threads_of(threads);
  const WeightsForm form = form_of(bits, group_size, !zeros, false);
  const WeightsView view = view_of(w, axis);
  auto payload = new_matrix<uint8_t>(view.n_outputs, runtime::payload_bytes(form, view.n_inputs));
  const CodesView codes =
      given_codes(payload.mutable_data(), scales, zeros, form, view.n_outputs, view.n_inputs);
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::encode_weights(row, view, form, codes, most_threads);
  }();
  throw_unless_ok(status);
  return payload;
}

void decode_weights(const Array<uint8_t>& payload, const Array<float>& scales,
                    const std::optional<Array<uint8_t>>& zeros, Array<float>& out, uint32_t bits,
                    uint64_t group_size, unsigned threads, std::string_view isa) {
  const runtime::KernelRow& row = row_of(isa);
  const unsigned most_threads = threads_of(threads);
  const WeightsForm form = form_of(bits, group_size, !zeros, false);
  if (out.ndim() != 2 || out.size() == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "out", "expected a matrix, not empty"));
  }
  const auto n_outputs = static_cast<uint64_t>(out.shape(0));
  const auto n_inputs = static_cast<uint64_t>(out.shape(1));
  require_shape(payload, "payload", n_outputs, runtime::payload_bytes(form, n_inputs));
  const CodesView codes =
      given_codes(const_cast<uint8_t*>(payload.data()), scales, zeros, form, n_outputs, n_inputs);
  float* w = out.mutable_data();
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::decode_weights(row, codes, form, n_outputs, n_inputs, w, most_threads);
  }();
  throw_unless_ok(status);
}

}  // namespace

void register_weights(py::module_& m) {
  m.def("quantize_weights", &quantize_weights, py::arg("w"), py::kw_only(), py::arg("axis"),
        py::arg("bits"), py::arg("group_size"), py::arg("symmetric"), py::arg("half_scales"),
        py::arg("threads") = 0, py::arg("isa") = "",
        "Packed codes, scales and zero points of weights, each rounded to nearest.");
  m.def("encode_weights", &encode_weights, py::arg("w"), py::arg("scales").noconvert(),
        py::arg("zeros").noconvert(), py::kw_only(), py::arg("axis"), py::arg("bits"),
        py::arg("group_size"), py::arg("threads") = 0, py::arg("isa") = "",
        "Packed codes of weights for scales and zero points that are given.");
  m.def("decode_weights", &decode_weights, py::arg("payload").noconvert(),
        py::arg("scales").noconvert(), py::arg("zeros").noconvert(), py::arg("out").noconvert(),
        py::kw_only(), py::arg("bits"), py::arg("group_size"), py::arg("threads") = 0,
        py::arg("isa") = "", "Write the weights that codes stand for.");
}

}  // namespace cordwood::bindings
