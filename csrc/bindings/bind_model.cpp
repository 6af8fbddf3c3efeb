// What Python sees of the runtime: models, their methods, the instruction sets.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <string>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/method.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/model.hpp"
#include "runtime/thread_limits.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::Model;
using Handle = std::shared_ptr<const Model>;

template <class T>
T unwrap(Result<T>&& result) {
  if (!result.ok()) throw_status(result.status());
  return std::move(result).value();
}

/// A model and the texts that its file carries for people.
struct LoadedModel {
  Handle model;
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

LoadedModel load_model(const py::bytes& data, bool check_all) {
  const std::string_view text(data);
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto level = check_all ? format::CheckLevel::all : format::CheckLevel::structure;
  auto [file, model] = [&] {
    const py::gil_scoped_release unlocked;
    auto view = format::validate(bytes, level);
    auto prepared = view.ok() ? Model::prepare(*view) : view.status();
    return std::pair(std::move(view), std::move(prepared));
  }();
  LoadedModel loaded;
  loaded.model = unwrap(std::move(model));
  loaded.feature_names = py::none();
  loaded.classes = py::none();
  if (file->feature_names) loaded.feature_names = strings(*file->feature_names);
  if (file->classes) loaded.classes = labels(*file->classes);
  loaded.provenance = py::str(file->provenance.data(), file->provenance.size());
  return loaded;
}

std::optional<runtime::Target> find_target(const Model& model, std::string_view name) {
  if (name == "leaves") return model.leaves();
  if (name == "margin") return model.margin();
  if (name == "response") return model.by_role(CORDWOOD_ROLE_RESPONSE);
  if (name == "probability") return model.by_role(CORDWOOD_ROLE_PROBABILITY);
  if (name == "label") return model.by_role(CORDWOOD_ROLE_LABEL);
  return std::nullopt;
}

py::list target_names(const Model& model) {
  py::list names;
  for (const char* name : {"margin", "response", "probability", "label", "leaves"}) {
    if (find_target(model, name)) names.append(name);
  }
  return names;
}

/// Labels that class indices may pick from: one for each index, contiguous, of a fixed size.
void check_labels(const py::object& labels, const runtime::ValueInfo& answer) {
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
  const Handle& model = loaded.model;
  const auto target = find_target(*model, target_name);
  if (!target) {
    throw_status(fail(CORDWOOD_STATUS_output_not_available, "model", "it has no such answer"));
  }
  const runtime::ValueInfo answer = model->program().target_info(*target);
  if (numpy_type(answer.dtype) < 0) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "model",
                      "the answer has dtype {}, which has no NumPy type here", answer.dtype));
  }
  check_labels(labels, answer);
  return make_method(method, {.model = model,
                              .target = *target,
                              .answer = answer,
                              .flat = flat,
                              .threads = threads,
                              .prepare = std::move(prepare),
                              .labels = std::move(labels)});
}

/// Refuses a device that this build cannot run on.
void require_device(std::string_view name) {
  if (name == "cpu") return;
  if (name == "cuda") {
    throw_status(fail(CORDWOOD_STATUS_device_not_available, "device cuda",
                      "the CUDA extension is not built or not installed; use device=\"cpu\""));
  }
  throw_status(fail(CORDWOOD_STATUS_device_not_available, "device",
                    "the name is unknown; known devices are cpu and cuda"));
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
    return [get](const LoadedModel& self) { return get(self.model->program()); };
  };
  using runtime::Program;
  py::class_<LoadedModel>(m, "Model", py::is_final(),
                          py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                          "A packed model ready to run.")
      .def(py::init(&load_model), py::arg("data"), py::kw_only(), py::arg("check_all") = true)
      .def(
          "targets", [](const LoadedModel& self) { return target_names(*self.model); },
          "Names of the answers that this model has.")
      .def("bind", &bind_method, py::arg("method"), py::arg("target"), py::kw_only(),
           py::arg("flat"), py::arg("threads"), py::arg("prepare"), py::arg("labels"),
           "A builtin function of X that answers with one target.")
      .def_readonly("feature_names", &LoadedModel::feature_names)
      .def_readonly("classes", &LoadedModel::classes)
      .def_readonly("provenance", &LoadedModel::provenance)
      .def_property_readonly("n_features", fact([](const Program& p) { return p.n_features(); }))
      .def_property_readonly("n_trees", fact([](const Program& p) { return p.n_trees(); }))
      .def_property_readonly(
          "n_outputs", fact([](const Program& p) { return p.values()[p.margin_value()].columns; }))
      .def_property_readonly("resident_bytes",
                             fact([](const Program& p) { return p.resident_bytes(); }))
      .def_property_readonly(
          "engine", fact([](const Program& p) { return std::string(p.trees()[0].engine()); }))
      .def_property_readonly("engine_reason", fact([](const Program& p) {
                               return std::string(p.trees()[0].engine_reason());
                             }));

  m.def("available_isas", &available_isas,
        "Instruction sets that this machine can run, best first.");
  m.def("active_isa", &active_isa, "The instruction set of this process.");
  m.def("require_device", &require_device, py::arg("name"), "Raises unless the device is there.");
  m.def("permitted_cores", &runtime::permitted_cores,
        "Cores that this process may use, by affinity and quota.");
  m.def(
      "resolve_threads",
      [](unsigned requested) { return unwrap(runtime::resolve_threads(requested)); },
      py::arg("requested"), "Threads for a request, 0 meaning all permitted cores.");
  m.def("live_workers", &runtime::live_workers, "Worker threads of this process.");
}

}  // namespace cordwood::bindings
