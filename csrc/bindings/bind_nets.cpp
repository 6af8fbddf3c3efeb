// What Python sees of nets: a loaded one, what it reads and writes, and what makes its calls.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/file_buffer.hpp"
#include "bindings/labels.hpp"
#include "bindings/loaded_net.hpp"
#include "bindings/method.hpp"
#include "bindings/rooms.hpp"
#include "runtime/backends.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::DeviceModel;

/// NumPy's letter and size of a type that a net's inputs and outputs may have; null for any other.
const char* numpy_name(uint8_t dtype) noexcept {
  switch (dtype) {
    case CORDWOOD_DTYPE_BIT:
      return "bool";
    case CORDWOOD_DTYPE_BFLOAT16:
      return nullptr;
    default:
      return format::dtype_bits(dtype) < 8 ? nullptr : format::dtype_name(dtype);
  }
}

Port make_port(const cordwood_value& value, std::string name) {
  const char* type = numpy_name(value.dtype);
  if (type == nullptr) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "net",
                      "an input or output has dtype {}, which has no NumPy type here",
                      value.dtype));
  }
  py::tuple shape(value.rank);
  py::tuple most(value.rank);
  for (std::size_t axis = 0; axis < value.rank; ++axis) {
    const bool constant = value.symbol_of[axis] == 0;
    const py::object size = py::int_(value.dimension[axis]);
    shape[axis] = constant ? size : py::none();
    most[axis] = value.dimension[axis] != 0 ? size : py::none();
  }
  return {std::move(name), py::dtype(type), value.dtype, std::move(shape), std::move(most)};
}

LoadedNet load_net(const py::bytes& data, std::string_view device_name, bool check_all) {
  cordwood_message why;
  const runtime::Device device = runtime::find_device(device_name, why);
  if (device.backend == nullptr) throw_message(CORDWOOD_STATUS_device_not_available, why.text);
  const std::string_view text(data);
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const format::FileView file =
      open_file(bytes, check_all ? format::CheckLevel::all : format::CheckLevel::structure);
  if (!file.is_net()) {
    throw_status(fail(CORDWOOD_STATUS_output_not_available, "net",
                      "the file holds a model of rows, expected a net"));
  }
  LoadedNet loaded;
  loaded.model = load_unlocked({.device = device, .file = file});
  for (const uint8_t role : {CORDWOOD_ROLE_INPUT, CORDWOOD_ROLE_OUTPUT}) {
    std::vector<Port>& ports = role == CORDWOOD_ROLE_INPUT ? loaded.inputs : loaded.outputs;
    for (std::size_t id = 0; id < file.values.size(); ++id) {
      if (file.values[id].role != role) continue;
      const std::size_t place = loaded.inputs.size() + loaded.outputs.size();
      const bool named = file.feature_names && place < file.feature_names->size();
      ports.push_back(
          make_port(file.values[id], named ? std::string((*file.feature_names)[place])
                                           : (role == CORDWOOD_ROLE_INPUT ? "input_" : "output_") +
                                                 std::to_string(ports.size())));
    }
  }
  loaded.n_operators = file.operators.size();
  loaded.classes = label_arrays(file.classes);
  loaded.provenance = py::str(file.provenance.data(), file.provenance.size());
  return loaded;
}

AnswerForm answer_form(std::string_view name) {
  if (name == "single") return AnswerForm::single;
  if (name == "tuple") return AnswerForm::tuple;
  if (name == "dict") return AnswerForm::dict;
  throw py::value_error("the form of answers is 'single', 'tuple' or 'dict'");
}

/// The builtin that answers calls of a net.
py::object caller(const py::object& self, const py::object& order, const py::object& prepare,
                  std::string_view form, unsigned threads, const py::object& seconds) {
  const auto& net = self.cast<const LoadedNet&>();
  const AnswerForm answers = answer_form(form);
  if (answers == AnswerForm::single && net.outputs.size() != 1) {
    throw py::value_error("a net has the form 'single' where it has one output");
  }
  double* times = nullptr;
  if (!seconds.is_none()) {
    auto array = seconds.cast<py::array_t<double, py::array::c_style>>();
    if (array.ptr() != seconds.ptr() || static_cast<std::size_t>(array.size()) != net.n_operators) {
      throw py::value_error("seconds is an array of float64 with an entry for each operator");
    }
    times = array.mutable_data();
  }
  py::tuple names(net.outputs.size());
  for (std::size_t i = 0; i < net.outputs.size(); ++i) names[i] = py::str(net.outputs[i].name);
  return make_net_call({.owner = self,
                        .net = &net,
                        .order = order,
                        .prepare = prepare,
                        .names = std::move(names),
                        .form = answers,
                        .threads = threads,
                        .times = seconds,
                        .seconds = times});
}

py::list ports(const std::vector<Port>& all) {
  py::list list;
  for (const Port& port : all) {
    list.append(py::make_tuple(port.name, port.dtype, port.shape, port.most));
  }
  return list;
}

}  // namespace

void register_nets(py::module_& m) {
  m.def(
      "net_provenance",
      [](const py::bytes& data) -> py::object {
        const std::string_view text(data);
        const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
        const Result<format::FileView> file =
            format::validate(bytes, format::CheckLevel::structure);
        if (!file.ok() || !file->is_net()) return py::none();
        return py::str(file->provenance.data(), file->provenance.size());
      },
      py::arg("data"),
      "Provenance of a file that holds a net; None for a model of rows, or no sound file.");
  py::class_<LoadedNet>(m, "Net", py::is_final(),
                        py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                        "A packed net ready to run on a device.")
      .def(py::init(&load_net), py::arg("data"), py::kw_only(), py::arg("device") = "cpu",
           py::arg("check_all") = true)
      .def("caller", &caller, py::arg("order"), py::arg("prepare"), py::kw_only(), py::arg("form"),
           py::arg("threads"), py::arg("seconds") = py::none(),
           "A builtin that answers inputs with fresh arrays; `seconds`, an array, gets the time of "
           "each operator added.")
      .def_property_readonly("inputs", [](const LoadedNet& self) { return ports(self.inputs); })
      .def_property_readonly("outputs", [](const LoadedNet& self) { return ports(self.outputs); })
      .def_readonly("classes", &LoadedNet::classes)
      .def_readonly("provenance", &LoadedNet::provenance)
      .def_property_readonly("processor",
                             [](const LoadedNet& self) { return self.model->facts().processor; })
      .def_property_readonly("resident_bytes", [](const LoadedNet& self) {
        return self.model->facts().resident_bytes;
      });
}

}  // namespace cordwood::bindings
