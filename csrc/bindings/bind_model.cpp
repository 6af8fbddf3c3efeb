// What Python sees of the runtime: models, their methods, the instruction sets.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/file_buffer.hpp"
#include "bindings/labels.hpp"
#include "bindings/method.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
#include "format/trees.hpp"
#include "plan/tree_range.hpp"
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

/// A model and what its file carries for people.
struct LoadedModel {
  std::shared_ptr<const DeviceModel> model;
  py::object feature_names;  ///< tuple of str, or None
  py::object classes;        ///< labels, a list of them where there are several outputs, or None
  py::dict categories;       ///< labels by feature
  py::str unseen;            ///< what a label that is not listed means
  uint64_t embedding_columns = 0;  ///< 0 where the model embeds nothing
  py::str provenance;
  py::str input_type;  ///< what rows are cast to
};

const char* unseen_name(cordwood_unseen unseen) noexcept {
  switch (unseen) {
    case CORDWOOD_UNSEEN_MISSING:
      return "missing";
    case CORDWOOD_UNSEEN_REFUSED:
      return "refused";
    default:  // CORDWOOD_UNSEEN_OTHER
      return "other";
  }
}

/// Columns of an embedding: one past the highest that a leaf sets.
uint64_t count_embedding_columns(const format::FileView& file) {
  constexpr double kLimit = 2147483648.0;  // columns are int32
  const Result<format::TreeArrays> trees = format::expand_trees(file, plan::last_trees(file));
  throw_unless_ok(trees.status());
  double highest = -1.0;
  for (const double column : trees->leaf_values) {
    if (!(column >= 0.0 && column < kLimit && column == std::floor(column))) {
      throw_status(fail(CORDWOOD_STATUS_tree_leaf_number_invalid, "tree_ensemble leaf_values",
                        "a leaf of an embedding has no column of it, expected a whole number below "
                        "2^31"));
    }
    highest = std::max(highest, column);
  }
  return static_cast<uint64_t>(highest + 1.0);
}

const char* input_type_name(const format::FileView& file) noexcept {
  for (std::size_t id = 0; id < file.values.size(); ++id) {
    const cordwood_value value = file.values[id];
    if (value.role == CORDWOOD_ROLE_ROWS) return format::dtype_name(value.dtype);
  }
  return "float64";
}

/// (first, last), or (first, last, trees of a stage).
std::optional<cordwood_tree_range> tree_range(const std::optional<py::tuple>& trees) {
  if (!trees) return std::nullopt;
  const auto at = [&](std::size_t place) {
    return place < trees->size() ? (*trees)[place].cast<uint64_t>() : 0;
  };
  return cordwood_tree_range{.first = at(0), .last = at(1), .per_stage = at(2)};
}

LoadedModel load_model(const py::bytes& data, std::string_view device_name, bool check_all,
                       const std::optional<py::tuple>& trees, bool binned) {
  cordwood_message why;
  const runtime::Device device = runtime::find_device(device_name, why);
  if (device.backend == nullptr) throw_message(CORDWOOD_STATUS_device_not_available, why.text);
  const std::string_view text(data);
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto level = check_all ? format::CheckLevel::all : format::CheckLevel::structure;
  const format::FileView file = open_file(bytes, level);
  const std::optional<cordwood_tree_range> range = tree_range(trees);
  LoadedModel loaded;
  loaded.model = load_unlocked(
      {.device = device, .file = file, .trees = range ? &*range : nullptr, .binned = binned});
  loaded.feature_names = py::none();
  if (file.feature_names) loaded.feature_names = text_tuple(*file.feature_names);
  loaded.classes = label_arrays(file.classes);
  for (const format::CategoryLabelsView& category : file.categories) {
    loaded.categories[py::int_(category.feature)] = label_array(category.labels);
  }
  if (loaded.model->facts().answers[CORDWOOD_TARGET_EMBEDDING].dtype != 0) {
    loaded.embedding_columns = count_embedding_columns(file);
  }
  loaded.unseen = unseen_name(file.unseen);
  loaded.input_type = input_type_name(file);
  loaded.provenance = py::str(file.provenance.data(), file.provenance.size());
  return loaded;
}

constexpr std::array<const char*, CORDWOOD_TARGET_COUNT> kTargetNames = {
    "margin", "response", "probability", "label", "leaves", "score", "decision", "embedding"};

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

py::tuple form(const LoadedModel& loaded, std::string_view target) {
  const cordwood_answer& answer = answer_of(loaded, find_target(loaded, target));
  return py::make_tuple(answer.columns, py::dtype(numpy_type(answer.dtype)));
}

/// Labels that class indices may pick from: one for each index, contiguous, of a fixed size.
void check_labels(const py::object& labels, const cordwood_answer& answer) {
  if (labels.is_none()) return;
  const bool usable =
      py::isinstance<py::array>(labels) && answer.classes > 0 && answer.columns == 1;
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
                       py::object prepare, py::object labels, py::object finish, py::object options,
                       py::object elsewhere) {
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
                              .labels = std::move(labels),
                              .finish = std::move(finish),
                              .options = std::move(options),
                              .elsewhere = std::move(elsewhere)});
}

/// Type of a bin, highest bin of each column, digest; None where rows are values.
py::object bin_form(const LoadedModel& loaded) {
  const cordwood_bin_form& form = loaded.model->facts().bins;
  if (form.bin_bytes == 0) return py::none();
  py::array_t<uint16_t> highest(static_cast<py::ssize_t>(form.n_columns));
  std::copy_n(form.highest, form.n_columns, highest.mutable_data());
  std::array<char, sizeof form.digest> digest;
  for (std::size_t byte = 0; byte < digest.size(); ++byte) {
    digest[byte] = static_cast<char>(form.digest[byte / 8] >> (byte % 8 * 8) & 0xFF);
  }
  return py::make_tuple(form.bin_bytes == 1 ? py::dtype::of<uint8_t>() : py::dtype::of<uint16_t>(),
                        highest, py::bytes(digest.data(), digest.size()));
}

/// The caller's memory for a target of some rows: writable, and in its form.
void* answer_memory(const LoadedModel& loaded, cordwood_target target, const char* name,
                    const py::array& array, uint64_t n_rows) {
  const cordwood_answer& form = answer_of(loaded, target);
  constexpr int flags = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_WRITEABLE_};
  const bool fits = array.ndim() == 2 && static_cast<uint64_t>(array.shape(0)) == n_rows &&
                    static_cast<uint64_t>(array.shape(1)) == form.columns &&
                    array.dtype().num() == numpy_type(form.dtype) &&
                    (array.flags() & flags) == flags;
  if (!fits) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, name,
                      "expected a writable C-ordered array of {} rows, {} columns and dtype {}",
                      n_rows, form.columns, form.dtype));
  }
  return py::detail::array_proxy(array.ptr())->data;
}

cordwood_rows rows_in_place(const py::array& x) {
  cordwood_rows rows;
  if (!read_rows(x.ptr(), rows)) throw py::type_error("rows must be an array read in place");
  return rows;
}

void answer_into(const LoadedModel& loaded, std::string_view target_name, const py::array& x,
                 const py::array& out, unsigned threads) {
  const cordwood_target target = find_target(loaded, target_name);
  const cordwood_rows rows = rows_in_place(x);
  run_into({.model = *loaded.model,
            .rows = rows,
            .target = target,
            .threads = threads,
            .out = answer_memory(loaded, target, "out", out, rows.n_rows)});
}

py::object run_stage(const LoadedModel& loaded, uint64_t stage, std::string_view target_name,
                     const py::array& x, const py::array& margin, unsigned threads) {
  const cordwood_target target = find_target(loaded, target_name);
  const cordwood_rows rows = rows_in_place(x);
  void* sums = answer_memory(loaded, CORDWOOD_TARGET_MARGIN, "margin", margin, rows.n_rows);
  return run_one_stage({.model = *loaded.model,
                        .rows = rows,
                        .target = target,
                        .threads = threads,
                        .stage = stage,
                        .margin = sums});
}

using Pair = std::pair<int64_t, int64_t>;

/// Rows at an address of the device's memory.
void answer_there(const LoadedModel& loaded, std::string_view target, std::uintptr_t data,
                  const Pair& shape, const Pair& strides, const py::dtype& dtype,
                  std::uintptr_t out, uint64_t stream) {
  const uint8_t type = row_dtype(dtype.num());
  if (type == 0 || shape.first < 0 || shape.second < 0 || shape.second > INT32_MAX) {
    throw py::type_error("expected rows that are read in place");
  }
  bindings::run_there({.model = *loaded.model,
                       .rows = {.data = reinterpret_cast<const void*>(data),
                                .row_stride = strides.first,
                                .column_stride = strides.second,
                                .n_rows = static_cast<uint64_t>(shape.first),
                                .first_row = 0,
                                .n_features = static_cast<uint32_t>(shape.second),
                                .dtype = type,
                                .reserved = {}},
                       .target = find_target(loaded, target),
                       .out = reinterpret_cast<void*>(out),
                       .stream = stream});
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
           py::arg("check_all") = true, py::arg("trees") = py::none(), py::arg("binned") = false)
      .def("targets", &target_names, "Names of the answers that this model has.")
      .def("bind", &bind_method, py::arg("method"), py::arg("target"), py::kw_only(),
           py::arg("flat"), py::arg("threads"), py::arg("prepare"), py::arg("labels") = py::none(),
           py::arg("finish") = py::none(), py::arg("options") = py::none(),
           py::arg("elsewhere") = py::none(),
           "A builtin function of X that answers with one target.")
      .def("run_into", &answer_into, py::arg("target"), py::arg("X"), py::arg("out"), py::kw_only(),
           py::arg("threads"), "Answers rows with one target in the caller's array.")
      .def("run_stage", &run_stage, py::arg("stage"), py::arg("target"), py::arg("X"),
           py::arg("margin"), py::kw_only(), py::arg("threads"),
           "Adds one stage's trees to the margin in place and answers with one target.")
      .def("run_there", &answer_there, py::arg("target"), py::kw_only(), py::arg("data"),
           py::arg("shape"), py::arg("strides"), py::arg("dtype"), py::arg("out"),
           py::arg("stream"),
           "Answers rows in the device's memory there, in the order of one of its streams.")
      .def(
          "bin",
          [](const LoadedModel& self, const py::object& x, unsigned threads) {
            return bin_rows(*self.model, x, threads);
          },
          py::arg("X"), py::kw_only(), py::arg("threads"),
          "Bins rows for a model of binned rows: by column in one byte, or by row in two.")
      .def("bin_form", &bin_form,
           "Type of a bin, highest bin of each column, digest; None where rows are values.")
      .def("form", &form, py::arg("target"), "Columns and dtype of an answer.")
      .def_readonly("feature_names", &LoadedModel::feature_names)
      .def_readonly("classes", &LoadedModel::classes)
      .def_readonly("categories", &LoadedModel::categories)
      .def_readonly("embedding_columns", &LoadedModel::embedding_columns)
      .def_readonly("unseen", &LoadedModel::unseen)
      .def_readonly("input_type", &LoadedModel::input_type)
      .def_readonly("provenance", &LoadedModel::provenance)
      .def_property_readonly("binned", fact([](const Facts& f) { return f.bins.bin_bytes != 0; }))
      .def_property_readonly("n_features", fact([](const Facts& f) { return f.n_features; }))
      .def_property_readonly("n_trees", fact([](const Facts& f) { return f.n_trees; }))
      .def_property_readonly("n_outputs", fact([](const Facts& f) {
                               return f.answers[CORDWOOD_TARGET_MARGIN].columns;
                             }))
      .def_property_readonly("has_raw_scores", fact([](const Facts& f) {
                               const uint8_t role = f.answers[CORDWOOD_TARGET_MARGIN].role;
                               return role == CORDWOOD_ROLE_MARGIN ||
                                      role == CORDWOOD_ROLE_RESPONSE;
                             }))
      .def_property_readonly("ordinal", fact([](const Facts& f) { return f.ordinal; }))
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
