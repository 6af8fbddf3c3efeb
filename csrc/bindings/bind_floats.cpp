// Float kernels of nets by name of their instruction set: what the tests compare row by row.
#include <vector>

#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "format/net_operators.h"
#include "runtime/float_mode.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using Optional = std::optional<Floats>;

uint64_t size_of(const Floats& array) {
  return static_cast<uint64_t>(array.size());
}

uint64_t axis_of(const Floats& array, py::ssize_t axis) {
  return static_cast<uint64_t>(array.shape(axis));
}

const float* data_of(const Optional& array) {
  return array ? array->data() : nullptr;
}

Floats like(const Floats& x) {
  return Floats(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
}

void require_kind(uint32_t kind, bool known) {
  if (known) return;
  throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "kind",
                    "{}; expected a kind of docs/graph.md that answers with float32", kind));
}

Floats activate(const Floats& x, const std::string& isa, uint32_t kind, float alpha, float beta,
                const Optional& slopes) {
  require_kind(kind, kind <= CORDWOOD_ACTIVATION_CLIP);
  check_shape(x, "x", {-1});
  if (slopes) check_shape(*slopes, "slopes", {x.shape(0)});
  const Floats out = like(x);
  const runtime::DefaultFloatMode mode;
  kernel_row(isa).arrays->activate_f32({.x = x.data(),
                                        .out = const_cast<float*>(out.data()),
                                        .slopes = data_of(slopes),
                                        .n = size_of(x),
                                        .kind = kind,
                                        .alpha = alpha,
                                        .beta = beta});
  return out;
}

Floats unary(const Floats& x, const std::string& isa, uint32_t kind) {
  require_kind(kind, kind <= CORDWOOD_UNARY_RSQRT &&
                         (kind < CORDWOOD_UNARY_NOT || kind > CORDWOOD_UNARY_IS_INFINITE));
  check_shape(x, "x", {-1});
  const Floats out = like(x);
  const runtime::DefaultFloatMode mode;
  kernel_row(isa).arrays->unary_f32(
      {.x = x.data(), .out = const_cast<float*>(out.data()), .n = size_of(x), .kind = kind});
  return out;
}

/// What layer_norm and rms_norm share.
Floats run_norm(kernels::NormF32 kernel, const Floats& x, const Optional& weight,
                const Optional& bias, const Optional& residual, const Optional& sum, float epsilon,
                float weight_offset) {
  check_shape(x, "x", {-1, -1});
  const py::ssize_t n = x.shape(1);
  if (weight) check_shape(*weight, "weight", {n});
  if (bias) check_shape(*bias, "bias", {n});
  if (residual) check_shape(*residual, "residual", {x.shape(0), n});
  if (sum) check_shape(*sum, "sum", {x.shape(0), n});
  const Floats out = like(x);
  if (x.size() == 0) return out;
  const runtime::DefaultFloatMode mode;
  kernel({.x = x.data(),
          .residual = data_of(residual),
          .sum = const_cast<float*>(data_of(sum)),
          .out = const_cast<float*>(out.data()),
          .weight = data_of(weight),
          .bias = data_of(bias),
          .n_rows = axis_of(x, 0),
          .n = axis_of(x, 1),
          .epsilon = epsilon,
          .weight_offset = weight_offset});
  return out;
}

Floats layer_norm(const Floats& x, const std::string& isa, const Optional& weight,
                  const Optional& bias, const Optional& residual, const Optional& sum,
                  float epsilon) {
  return run_norm(kernel_row(isa).arrays->layer_norm_f32, x, weight, bias, residual, sum, epsilon,
                  0.0f);
}

Floats rms_norm(const Floats& x, const std::string& isa, const Optional& weight,
                const Optional& residual, const Optional& sum, float epsilon, float weight_offset) {
  return run_norm(kernel_row(isa).arrays->rms_norm_f32, x, weight, std::nullopt, residual, sum,
                  epsilon, weight_offset);
}

Floats group_norm(const Floats& x, const std::string& isa, uint64_t groups, const Optional& weight,
                  const Optional& bias, float epsilon) {
  check_shape(x, "x", {-1, -1, -1});
  if (groups == 0 || axis_of(x, 1) % groups != 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "groups",
                      "{} groups of {} channels; expected a divisor", groups, x.shape(1)));
  }
  if (weight) check_shape(*weight, "weight", {x.shape(1)});
  if (bias) check_shape(*bias, "bias", {x.shape(1)});
  const Floats out = like(x);
  if (x.size() == 0) return out;
  const runtime::DefaultFloatMode mode;
  kernel_row(isa).arrays->group_norm_f32({.x = x.data(),
                                          .out = const_cast<float*>(out.data()),
                                          .weight = data_of(weight),
                                          .bias = data_of(bias),
                                          .n_images = axis_of(x, 0),
                                          .groups = groups,
                                          .channels = axis_of(x, 1) / groups,
                                          .positions = axis_of(x, 2),
                                          .epsilon = epsilon});
  return out;
}

Floats softmax(const Floats& x, const std::string& isa, bool log) {
  check_shape(x, "x", {-1, -1, -1});
  const Floats out = like(x);
  const runtime::ArrayKernels& kernels = *kernel_row(isa).arrays;
  if (x.size() == 0) return out;
  const runtime::DefaultFloatMode mode;
  (log ? kernels.log_softmax_f32 : kernels.softmax_f32)({.x = x.data(),
                                                         .out = const_cast<float*>(out.data()),
                                                         .outer = axis_of(x, 0),
                                                         .n = axis_of(x, 1),
                                                         .inner = axis_of(x, 2)});
  return out;
}

}  // namespace

void register_floats(py::module_& m) {
  const auto none = py::none();
  m.def("activate", &activate, py::arg("x"), py::kw_only(), py::arg("isa"), py::arg("kind"),
        py::arg("alpha") = 0.0f, py::arg("beta") = 0.0f, py::arg("slopes") = none,
        "Put floats through an activation, by the number of its kind in docs/graph.md.");
  m.def("unary", &unary, py::arg("x"), py::kw_only(), py::arg("isa"), py::arg("kind"),
        "Put floats through a function, by the number of its kind in docs/graph.md.");
  m.def("layer_norm", &layer_norm, py::arg("x"), py::kw_only(), py::arg("isa"),
        py::arg("weight") = none, py::arg("bias") = none, py::arg("residual") = none,
        py::arg("total") = none, py::arg("epsilon") = 0.0f,
        "Norm rows by mean and variance; x + residual goes to total where that is given.");
  m.def("rms_norm", &rms_norm, py::arg("x"), py::kw_only(), py::arg("isa"),
        py::arg("weight") = none, py::arg("residual") = none, py::arg("total") = none,
        py::arg("epsilon") = 0.0f, py::arg("weight_offset") = 0.0f,
        "Norm rows by root mean square; x + residual goes to total where that is given.");
  m.def("group_norm", &group_norm, py::arg("x"), py::kw_only(), py::arg("isa"), py::arg("groups"),
        py::arg("weight") = none, py::arg("bias") = none, py::arg("epsilon") = 0.0f,
        "Norm groups of channels by mean and variance.");
  m.def("softmax", &softmax, py::arg("x"), py::kw_only(), py::arg("isa"), py::arg("log") = false,
        "Softmax, or its logarithm, along the middle of three axes.");
}

}  // namespace cordwood::bindings
