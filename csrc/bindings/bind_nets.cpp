// What Python sees of nets: a loaded one, what it reads and writes, and a call.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/file_buffer.hpp"
#include "bindings/labels.hpp"
#include "bindings/method.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
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

/// An input or output as its file declares it.
struct Port {
  std::string name;
  py::dtype dtype;
  uint8_t dtype_code = 0;
  py::tuple shape;  ///< sizes, or None where they vary
  py::tuple most;   ///< largest sizes, or None where there is no bound
};

struct LoadedNet {
  std::shared_ptr<const DeviceModel> model;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  py::object classes;  ///< labels of the first output's columns, or None
  py::str provenance;
};

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
  int32_t code = CORDWOOD_STATUS_ok;
  {
    const py::gil_scoped_release unlocked;
    loaded.model = DeviceModel::load(device, file, nullptr, false, code, why);
  }
  if (loaded.model == nullptr) throw_message(code, why.text);
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
  loaded.classes = label_arrays(file.classes);
  loaded.provenance = py::str(file.provenance.data(), file.provenance.size());
  return loaded;
}

cordwood_array describe(const py::array& array, uint8_t dtype) {
  cordwood_array given{};
  given.data = py::detail::array_proxy(array.ptr())->data;
  given.dtype = dtype;
  given.rank = static_cast<uint8_t>(std::min<py::ssize_t>(array.ndim(), 255));
  for (py::ssize_t axis = 0; axis < std::min<py::ssize_t>(array.ndim(), CORDWOOD_MAX_RANK);
       ++axis) {
    given.size[axis] = static_cast<uint64_t>(array.shape(axis));
  }
  return given;
}

/// Whether an array can be read where it lies: its type, C order, whole elements.
bool readable(const py::handle& given, const Port& port) {
  if (!py::isinstance<py::array>(given)) return false;
  const auto array = py::reinterpret_borrow<py::array>(given);
  constexpr int flags = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  return (array.flags() & flags) == flags && array.dtype().equal(port.dtype);
}

/// Answers one call. `prepare(given, place)` makes an array of what cannot be read where it lies.
py::list run(const LoadedNet& self, const py::tuple& given, const py::object& prepare,
             unsigned threads) {
  if (given.size() != self.inputs.size()) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "net", "{} inputs were given, expected {}",
                      given.size(), self.inputs.size()));
  }
  std::vector<py::array> arrays;
  std::vector<cordwood_array> inputs;
  for (std::size_t i = 0; i < given.size(); ++i) {
    py::object array = given[i];
    if (!readable(array, self.inputs[i])) array = prepare(array, i);
    if (!readable(array, self.inputs[i])) throw py::type_error("inputs must be arrays");
    arrays.push_back(py::reinterpret_borrow<py::array>(array));
    inputs.push_back(describe(arrays.back(), self.inputs[i].dtype_code));
  }
  cordwood_message why;
  cordwood_backend_context* context = nullptr;
  int32_t code = thread_contexts().prepare(self.model->device(), context, why);
  std::vector<cordwood_array> outputs(self.outputs.size());
  if (code == CORDWOOD_STATUS_ok) code = self.model->shape_net(context, inputs, outputs, why);
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
  py::list answers(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::array<Py_intptr_t, CORDWOOD_MAX_RANK> shape{};
    std::copy_n(outputs[i].size, CORDWOOD_MAX_RANK, shape.begin());
    PyObject* array =
        new_array(py::dtype(self.outputs[i].dtype).release().ptr(), outputs[i].rank, shape.data());
    if (array == nullptr) throw py::error_already_set();
    outputs[i].data = array_data(array);
    answers[i] = py::reinterpret_steal<py::object>(array);
  }
  {
    const Unlocked unlocked(true);
    code = self.model->run_net(context, inputs, outputs, threads, nullptr, why);
  }
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
  return answers;
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
      .def("run", &run, py::arg("inputs"), py::arg("prepare"), py::kw_only(), py::arg("threads"),
           "Answers inputs with a list of fresh arrays.")
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
