#include "bindings/method.hpp"

#include <pybind11/numpy.h>

#include <array>
#include <cstring>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/rows.hpp"
#include "bindings/sparse_rows.hpp"
#include "format/view.hpp"
#include "runtime/memory.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

constexpr const char* kCapsuleName = "cordwood.method";

/// Row-trees from which on other Python threads get to run meanwhile. Handing the lock over and back
/// costs some tenths of a microsecond.
constexpr uint64_t kWorkWithoutLock = 1u << 14;

/// Scratch of this thread, shared by all models it calls.
struct ThreadScratch {
  runtime::DeviceContexts contexts;
  runtime::Arena class_indices;
  runtime::Arena sparse_block;
};

ThreadScratch& thread_scratch() noexcept {
  thread_local ThreadScratch scratch;
  return scratch;
}

/// Calls the device in this thread's context, without the lock where that pays; raises on failure.
template <class Call>
void run_on(const runtime::DeviceModel& model, const cordwood_rows& rows, Call&& call) {
  cordwood_message why;  // 512 bytes, left as they are unless something fails
  cordwood_backend_context* context = nullptr;
  int32_t code = thread_scratch().contexts.prepare(model.device(), context, why);
  if (code == CORDWOOD_STATUS_ok) {
    const bool long_work = rows.n_rows * model.facts().n_trees >= kWorkWithoutLock;
    const Unlocked unlocked(long_work || model.may_wait());
    code = call(context, why);
  }
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
}

/// Writes the answer to `out`.
void run(const Method& method, const cordwood_rows& rows, void* out) {
  run_into({.model = *method.model,
            .rows = rows,
            .target = method.target,
            .threads = method.threads,
            .out = out});
}

/// The same for a sparse matrix, block by block.
void run(const Method& method, const SparseView& rows, void* out) {
  if (rows.n_rows == 0) return;
  runtime::Arena& arena = thread_scratch().sparse_block;
  throw_unless_ok(arena.reserve(rows.block_bytes()));
  SparseBlocks blocks(rows, arena.bytes());
  const uint64_t row_bytes = method.answer.columns * format::dtype_bits(method.answer.dtype) / 8;
  for (uint64_t first = 0; first < rows.n_rows; first += rows.block_rows()) {
    run(method, blocks.at(first), static_cast<char*>(out) + first * row_bytes);
  }
}

/// Copies the label of each class index; the indices are below the number of labels.
void take_labels(const char* labels, std::size_t item_bytes, const int64_t* indices,
                 uint64_t n_rows, char* out) noexcept {
  if (item_bytes == 8) {
    for (uint64_t row = 0; row < n_rows; ++row) {
      std::memcpy(out + row * 8, labels + indices[row] * 8, 8);
    }
    return;
  }
  for (uint64_t row = 0; row < n_rows; ++row) {
    std::memcpy(out + row * item_bytes,
                labels + static_cast<std::size_t>(indices[row]) * item_bytes, item_bytes);
  }
}

template <class Rows>
py::object answer_labels(const Method& method, const Rows& rows) {
  const auto& labels = *py::detail::array_proxy(method.labels.ptr());
  const auto n_rows = static_cast<Py_intptr_t>(rows.n_rows);
  Py_INCREF(labels.descr);
  auto out = py::reinterpret_steal<py::object>(new_array(labels.descr, 1, &n_rows));
  if (!out) throw py::error_already_set();
  runtime::Arena& arena = thread_scratch().class_indices;
  throw_unless_ok(arena.reserve(rows.n_rows * sizeof(int64_t)));
  run(method, rows, arena.bytes().data());
  const auto item_bytes =
      static_cast<std::size_t>(py::reinterpret_borrow<py::dtype>(labels.descr).itemsize());
  take_labels(labels.data, item_bytes, reinterpret_cast<const int64_t*>(arena.bytes().data()),
              rows.n_rows, static_cast<char*>(array_data(out.ptr())));
  return out;
}

/// An array for an answer; one column may have an axis of its own or not.
py::object new_answer(const cordwood_answer& form, uint64_t n_rows, bool flat) {
  const std::array<Py_intptr_t, 2> shape = {static_cast<Py_intptr_t>(n_rows),
                                            static_cast<Py_intptr_t>(form.columns)};
  const int rank = flat && form.columns == 1 ? 1 : 2;
  PyObject* type = py::detail::npy_api::get().PyArray_DescrFromType_(numpy_type(form.dtype));
  auto out = py::reinterpret_steal<py::object>(new_array(type, rank, shape.data()));
  if (!out) throw py::error_already_set();
  return out;
}

template <class Rows>
py::object answer(const Method& method, const Rows& rows) {
  if (!method.labels.is_none()) return answer_labels(method, rows);
  py::object out = new_answer(method.answer, rows.n_rows, method.flat);
  run(method, rows, array_data(out.ptr()));
  return out;
}

/// Answers what Python's door returned.
py::object answer_any(const Method& method, const py::object& prepared) {
  cordwood_rows rows;
  if (read_rows(prepared.ptr(), rows)) return answer(method, rows);
  SparseView sparse;
  if (read_sparse(prepared.ptr(), sparse)) return answer(method, sparse);
  throw py::type_error("the door for rows did not return what can be read in place");
}

py::object finish(const Method& method, py::object&& answered) {
  if (method.finish.is_none()) return std::move(answered);
  return method.finish(answered);
}

/// Rows that NumPy holds ready go straight through; the rest takes Python's door first.
py::object call(const Method& method, PyObject* x) {
  cordwood_rows rows;
  if (read_rows(x, rows) && rows.n_features == method.model->facts().n_features) {
    return finish(method, answer(method, rows));
  }
  const py::object prepared = method.prepare(py::handle(x));
  // Bins, and rows of a device, go ways of their own.
  if (prepared.is(py::handle(x)) && !method.elsewhere.is_none()) return method.elsewhere(prepared);
  return finish(method, answer_any(method, prepared));
}

/// X where it is the only argument, given by position or by name; else null.
PyObject* only_argument(PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  if (count == 1 && named == 0) return arguments[0];
  if (count == 0 && named == 1 &&
      PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "X") == 0) {
    return arguments[0];
  }
  return nullptr;
}

/// A call with more or less than X: where options are named, Python's way of calling sorts them out.
PyObject* call_with_options(const Method& method, PyObject* const* arguments, Py_ssize_t count,
                            PyObject* keywords) noexcept {
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  bool has_x = count == 1;
  for (Py_ssize_t i = 0; i < named; ++i) {
    has_x |= PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, i), "X") == 0;
  }
  if (named > 0 && has_x && !method.options.is_none()) {
    return PyObject_Vectorcall(method.options.ptr(), arguments, static_cast<std::size_t>(count),
                               keywords);
  }
  PyErr_Format(PyExc_TypeError, "expected one argument, X; %zd by position and %zd by name given",
               count, named);
  return nullptr;
}

PyObject* call_method(PyObject* capsule, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* keywords) noexcept {
  const auto* method = static_cast<const Method*>(PyCapsule_GetPointer(capsule, kCapsuleName));
  if (method == nullptr) return nullptr;
  PyObject* x = only_argument(arguments, count, keywords);
  if (x == nullptr) return call_with_options(*method, arguments, count, keywords);
  try {
    return call(*method, x).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyMethodDef definition(const char* name, const char* text) noexcept {
  // Python stores every calling convention behind one pointer type and casts it back by the flags.
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_method)),
          METH_FASTCALL | METH_KEYWORDS, text};
}

/// Definitions live as long as the process: Python keeps pointers to them.
#define CORDWOOD_RANGE "iteration_range=None, start_iteration=0, num_iteration=None)\n--\n\n"
std::array<PyMethodDef, 7>& definitions() noexcept {
  static std::array<PyMethodDef, 7> all = {
      definition("predict", "predict(X, *, raw_score=False, output_margin=False, " CORDWOOD_RANGE
                            "Answer each row; see `cordwood.Model.predict`."),
      definition("predict_proba", "predict_proba(X, *, " CORDWOOD_RANGE
                                  "Probability of each class; see `cordwood.Model.predict_proba`."),
      definition("decision_function", "decision_function(X, *, " CORDWOOD_RANGE
                                      "Raw scores; see `cordwood.Model.decision_function`."),
      definition("score_samples",
                 "score_samples(X)\n--\n\nHow usual each row is; see "
                 "`cordwood.Model.score_samples`."),
      definition("transform",
                 "transform(X, *, sparse=None)\n--\n\nThe leaves of each row as columns; see "
                 "`cordwood.Model.transform`."),
      definition("apply", "apply(X, *, " CORDWOOD_RANGE
                          "Leaf of each row in each tree; see `cordwood.Model.apply`."),
      definition("run", "run(X)\n--\n\nA target as the program writes it, C-ordered."),
  };
  return all;
}
#undef CORDWOOD_RANGE

void destroy_capsule(PyObject* capsule) noexcept {
  delete static_cast<Method*>(PyCapsule_GetPointer(capsule, kCapsuleName));
}

}  // namespace

runtime::DeviceContexts& thread_contexts() noexcept {
  return thread_scratch().contexts;
}

py::object make_method(std::string_view name, Method&& method) {
  for (PyMethodDef& known : definitions()) {
    if (name != known.ml_name) continue;
    auto owned = std::make_unique<Method>(std::move(method));
    auto capsule = py::reinterpret_steal<py::object>(
        PyCapsule_New(owned.get(), kCapsuleName, destroy_capsule));
    if (!capsule) throw py::error_already_set();
    static_cast<void>(owned.release());  // the capsule deletes it
    auto function = py::reinterpret_steal<py::object>(PyCFunction_New(&known, capsule.ptr()));
    if (!function) throw py::error_already_set();
    return function;
  }
  throw py::value_error("unknown method name");
}

void run_into(const IntoCall& call) {
  run_on(call.model, call.rows, [&](cordwood_backend_context* context, cordwood_message& why) {
    return call.model.run(context, call.rows, call.target, call.out, call.threads, why);
  });
}

py::object run_one_stage(const StageCall& call) {
  const runtime::DeviceModel& model = call.model;
  py::object out = new_answer(model.facts().answers[call.target], call.rows.n_rows, false);
  void* data = array_data(out.ptr());
  run_on(model, call.rows, [&](cordwood_backend_context* context, cordwood_message& why) {
    return model.stage(context, call.rows, call.stage, call.target, call.margin, data, call.threads,
                       why);
  });
  return out;
}

std::shared_ptr<const runtime::DeviceModel> load_unlocked(const LoadCall& call) {
  cordwood_message why;
  int32_t code = CORDWOOD_STATUS_ok;
  std::shared_ptr<const runtime::DeviceModel> model;
  {
    const Unlocked unlocked(true);
    model = runtime::DeviceModel::load(call.device, call.file, call.trees, call.binned, code, why);
  }
  if (model == nullptr) throw_message(code, why.text);
  if (!model->may_wait()) return model;
  const runtime::DeviceModel* const at = model.get();
  return {at, [held = std::move(model)](const runtime::DeviceModel*) mutable {
            const Unlocked unlocked(PyGILState_Check() != 0);
            held.reset();
          }};
}

void run_there(const ThereCall& call) {
  run_on(call.model, call.rows, [&](cordwood_backend_context* context, cordwood_message& why) {
    return call.model.run_there(context, call.rows, call.target, call.out, call.stream, why);
  });
}

py::object bin_rows(const runtime::DeviceModel& model, const py::object& x, unsigned threads) {
  const cordwood_bin_form& form = model.facts().bins;
  const bool by_column = form.bin_bytes == 1;
  cordwood_rows dense;
  SparseView sparse;
  const bool is_dense = read_rows(x.ptr(), dense);
  if (!is_dense && !read_sparse(x.ptr(), sparse)) {
    throw py::type_error("rows must be an array read in place, or parts of a sparse matrix");
  }
  const auto n_rows = static_cast<py::ssize_t>(is_dense ? dense.n_rows : sparse.n_rows);
  const auto n_columns = static_cast<py::ssize_t>(form.n_columns);
  py::array out = by_column ? py::array(py::array_t<uint8_t>({n_columns, n_rows}))
                            : py::array(py::array_t<uint16_t>({n_rows, n_columns}));
  const auto step = static_cast<uint64_t>(by_column ? n_rows : 2 * n_columns);
  auto* data = static_cast<std::byte*>(out.mutable_data());
  const auto bin = [&](const cordwood_rows& rows) {
    void* to = data + rows.first_row * (by_column ? 1 : step);
    run_on(model, rows, [&](cordwood_backend_context* context, cordwood_message& why) {
      return model.bin(context, rows, to, step, threads, why);
    });
  };
  if (is_dense) {
    bin(dense);
  } else if (n_rows > 0) {
    runtime::Arena& arena = thread_scratch().sparse_block;
    throw_unless_ok(arena.reserve(sparse.block_bytes()));
    SparseBlocks blocks(sparse, arena.bytes());
    for (uint64_t first = 0; first < sparse.n_rows; first += sparse.block_rows()) {
      bin(blocks.at(first));
    }
  }
  return out;
}

}  // namespace cordwood::bindings
