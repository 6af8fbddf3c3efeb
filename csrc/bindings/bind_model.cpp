// What Python sees of the runtime: models, their methods, the instruction sets.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/file_buffer.hpp"
#include "bindings/method.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
#include "runtime/backends.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/thread_limits.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::DeviceModel;

template <class T>
T unwrap(Result<T>&& result) {
  if (!result.ok()) throw_status(result.status());
  return std::move(result).value();
}

/// A model and the texts that its file carries for people.
struct LoadedModel {
  std::shared_ptr<const DeviceModel> model;
  py::object feature_names;  ///< tuple of str, or None
  py::object classes;        ///< array of int64, float64 or bool, tuple of str, or None
  py::str provenance;
};

py::tuple strings(const format::StringsView& table) {
  py::tuple texts(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    texts[i] = py::str(table[i].data(), table[i].size());
  }
  return texts;
}

py::object labels(const format::LabelsView& classes) {
  const auto numbers = [&]<class T>(T) -> py::object {
    py::array_t<T> array(static_cast<py::ssize_t>(classes.count));
    std::memcpy(array.mutable_data(), classes.numbers.data(), classes.numbers.size());
    return array;
  };
  switch (classes.type) {
    case CORDWOOD_LABELS_INT64:
      return numbers(int64_t{});
    case CORDWOOD_LABELS_FLOAT64:
      return numbers(double{});
    case CORDWOOD_LABELS_BOOL:
      return numbers(bool{});
    default:  // CORDWOOD_LABELS_UTF8
      return strings(classes.strings);
  }
}

LoadedModel load_model(const py::bytes& data, std::string_view device_name, bool check_all) {
  cordwood_message why;
  const runtime::Device device = runtime::find_device(device_name, why);
  if (device.backend == nullptr) throw_message(CORDWOOD_STATUS_device_not_available, why.text);
  const std::string_view text(data);
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto level = check_all ? format::CheckLevel::all : format::CheckLevel::structure;
  const format::FileView file = open_file(bytes, level);
  LoadedModel loaded;
  int32_t code = CORDWOOD_STATUS_ok;
  {
    const py::gil_scoped_release unlocked;
    loaded.model = DeviceModel::load(device, file, code, why);
  }
  if (loaded.model == nullptr) throw_message(code, why.text);
  loaded.feature_names = py::none();
  loaded.classes = py::none();
  if (file.feature_names) loaded.feature_names = strings(*file.feature_names);
  if (!file.classes.empty()) loaded.classes = labels(file.classes.front());
  loaded.provenance = py::str(file.provenance.data(), file.provenance.size());
  return loaded;
}

constexpr std::array<const char*, CORDWOOD_TARGET_COUNT> kTargetNames = {
    "margin", "response", "probability", "label", "leaves"};

const cordwood_answer& answer_of(const LoadedModel& loaded, std::size_t target) {
  return loaded.model->facts().answers[target];
}

py::list target_names(const LoadedModel& loaded) {
  py::list names;
  for (std::size_t target = 0; target < kTargetNames.size(); ++target) {
    if (answer_of(loaded, target).dtype != 0) names.append(kTargetNames[target]);
  }
  return names;
}

cordwood_target find_target(const LoadedModel& loaded, std::string_view name) {
  for (std::size_t target = 0; target < kTargetNames.size(); ++target) {
    if (name == kTargetNames[target] && answer_of(loaded, target).dtype != 0) {
      return static_cast<cordwood_target>(target);
    }
  }
  throw_status(fail(CORDWOOD_STATUS_output_not_available, "model",
                    "it has no such answer; targets() lists those it has"));
}

/// Labels that class indices may pick from: one for each index, contiguous, of a fixed size.
void check_labels(const py::object& labels, const cordwood_answer& answer) {
  if (labels.is_none()) return;
  const bool usable = py::isinstance<py::array>(labels) && answer.classes > 0;
  const auto array = usable ? py::reinterpret_borrow<py::array>(labels) : py::array();
  if (!usable || array.ndim() != 1 || static_cast<uint64_t>(array.size()) < answer.classes ||
      (array.flags() & py::array::c_style) == 0 || array.dtype().kind() == 'O') {
    throw_status(fail(CORDWOOD_STATUS_labels_invalid, "classes",
                      "the model decides between {} classes and has no label for each of them",
                      answer.classes));
  }
}

py::object bind_method(const LoadedModel& loaded, std::string_view method,
                       std::string_view target_name, bool flat, unsigned threads,
                       py::object prepare, py::object labels) {
  const cordwood_target target = find_target(loaded, target_name);
  const cordwood_answer& answer = answer_of(loaded, target);
  if (numpy_type(answer.dtype) < 0) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "model",
                      "the answer has dtype {}, which has no NumPy type here", answer.dtype));
  }
  check_labels(labels, answer);
  return make_method(method, {.model = loaded.model,
                              .target = target,
                              .answer = answer,
                              .flat = flat,
                              .threads = threads,
                              .prepare = std::move(prepare),
                              .labels = std::move(labels)});
}

/// Takes in another extension's device. Its capsule is kept for good: so is its table.
void register_backend(const py::capsule& capsule) {
  const char* name = capsule.name();
  if (name == nullptr || std::string_view(name) != CORDWOOD_BACKEND_CAPSULE) {
    throw_message(CORDWOOD_STATUS_device_not_available,
                  "backend: expected a capsule named \"" CORDWOOD_BACKEND_CAPSULE "\"");
  }
  cordwood_message why;
  const int32_t code = runtime::register_backend(capsule.get_pointer<cordwood_backend>(), why);
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
  capsule.inc_ref();
}

py::dict devices() {
  py::dict all;
  for (std::size_t place = 0;; ++place) {
    const cordwood_backend* backend = runtime::device_at(place).backend;
    if (backend == nullptr) return all;
    const char* reason = backend->availability();
    all[backend->name] = reason == nullptr ? py::object(py::none()) : py::str(reason);
  }
}

py::list available_isas() {
  py::list names;
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (runtime::row_available(row)) names.append(row.name);
  }
  return names;
}

const char* active_isa() {
  return unwrap(runtime::active_row())->name;
}

}  // namespace

void register_model(py::module_& m) {
  const auto fact = [](auto get) {
    return [get](const LoadedModel& self) { return get(self.model->facts()); };
  };
  using Facts = cordwood_facts;
  py::class_<LoadedModel>(m, "Model", py::is_final(),
                          py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                          "A packed model ready to run on a device.")
      .def(py::init(&load_model), py::arg("data"), py::kw_only(), py::arg("device") = "cpu",
           py::arg("check_all") = true)
      .def("targets", &target_names, "Names of the answers that this model has.")
      .def("bind", &bind_method, py::arg("method"), py::arg("target"), py::kw_only(),
           py::arg("flat"), py::arg("threads"), py::arg("prepare"), py::arg("labels"),
           "A builtin function of X that answers with one target.")
      .def_readonly("feature_names", &LoadedModel::feature_names)
      .def_readonly("classes", &LoadedModel::classes)
      .def_readonly("provenance", &LoadedModel::provenance)
      .def_property_readonly("n_features", fact([](const Facts& f) { return f.n_features; }))
      .def_property_readonly("n_trees", fact([](const Facts& f) { return f.n_trees; }))
      .def_property_readonly("n_outputs", fact([](const Facts& f) {
                               return f.answers[CORDWOOD_TARGET_MARGIN].columns;
                             }))
      .def_property_readonly("resident_bytes",
                             fact([](const Facts& f) { return f.resident_bytes; }))
      .def_property_readonly("processor", fact([](const Facts& f) { return f.processor; }))
      .def_property_readonly("engine", fact([](const Facts& f) { return f.engine; }))
      .def_property_readonly("engine_reason", fact([](const Facts& f) { return f.engine_reason; }));

  m.def("available_isas", &available_isas,
        "Instruction sets that this machine can run, best first.");
  m.def("active_isa", &active_isa, "The instruction set of this process.");
  m.def("register_backend", &register_backend, py::arg("capsule"),
        "Takes in a device: a capsule named cordwood.backend around its table of functions.");
  m.def("devices", &devices,
        "Registered devices by name, each with None or the reason why it cannot be used now.");
  m.def("permitted_cores", &runtime::permitted_cores,
        "Cores that this process may use, by affinity and quota.");
  m.def(
      "resolve_threads",
      [](unsigned requested) { return unwrap(runtime::resolve_threads(requested)); },
      py::arg("requested"), "Threads for a request, 0 meaning all permitted cores.");
  m.def("live_workers", &runtime::live_workers, "Worker threads of this process.");
}

}  // namespace cordwood::bindings
