// One call of a net as a Python builtin: arrays in, fresh arrays out, as few steps between as can be.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/loaded_net.hpp"
#include "bindings/method.hpp"
#include "bindings/rows.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

constexpr const char* kCapsuleName = "cordwood.net_call";

/// Descriptions of a call's arrays; of few, without an allocation.
class Descriptions {
 public:
  explicit Descriptions(std::size_t count) : many_(count > kFew ? count : 0), count_(count) {}
  [[nodiscard]] std::span<cordwood_array> all() noexcept {
    return {many_.empty() ? few_.data() : many_.data(), count_};
  }

 private:
  static constexpr std::size_t kFew = 4;
  std::array<cordwood_array, kFew> few_;  // left as they are until a call writes what it needs
  std::vector<cordwood_array> many_;
  std::size_t count_;
};

/// Whether an array can be read where it lies: its type, C order, whole elements.
bool readable(py::handle given, const Port& port) {
  if (!py::isinstance<py::array>(given)) return false;
  const py::detail::PyArray_Proxy* array = py::detail::array_proxy(given.ptr());
  constexpr int flags = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  if ((array->flags & flags) != flags) return false;
  return array->descr == port.dtype.ptr() || port.dtype.equal(py::handle(array->descr));
}

cordwood_array describe(py::handle given, uint8_t dtype) noexcept {
  const py::detail::PyArray_Proxy* array = py::detail::array_proxy(given.ptr());
  cordwood_array described{};
  described.data = array->data;
  described.dtype = dtype;
  described.rank = static_cast<uint8_t>(std::min(array->nd, 255));
  const int axes = std::min<int>(array->nd, CORDWOOD_MAX_RANK);
  std::copy_n(array->dimensions, axes, described.size);
  return described;
}

/// Where answers go: made before a plan is looked up, since it may start a collection of garbage, and
/// that anything, another call of a net included.
py::object new_holder(const NetCall& call) {
  if (call.form == AnswerForm::single) return py::none();
  if (call.form == AnswerForm::tuple) return py::tuple(call.net->outputs.size());
  return py::dict();
}

py::object new_answer(const Port& port, const cordwood_array& described) {
  std::array<Py_intptr_t, CORDWOOD_MAX_RANK> shape;
  std::copy_n(described.size, CORDWOOD_MAX_RANK, shape.begin());
  PyObject* type = py::object(port.dtype).release().ptr();
  auto made = py::reinterpret_steal<py::object>(new_array(type, described.rank, shape.data()));
  if (!made) throw py::error_already_set();
  return made;
}

/// Puts an answer where it belongs.
void hand_over(const NetCall& call, py::object&& answer, std::size_t place, py::object& holder) {
  switch (call.form) {
    case AnswerForm::single:
      holder = std::move(answer);
      return;
    case AnswerForm::tuple:
      PyTuple_SET_ITEM(holder.ptr(), static_cast<Py_ssize_t>(place), answer.release().ptr());
      return;
    default:  // AnswerForm::dict
      if (PyDict_SetItem(holder.ptr(), PyTuple_GET_ITEM(call.names.ptr(), place), answer.ptr()) !=
          0)
        throw py::error_already_set();
  }
}

/// Answers inputs that stand in order.
py::object answer(const NetCall& call, std::span<PyObject* const> given) {
  const LoadedNet& net = *call.net;
  const runtime::DeviceModel& model = *net.model;
  Descriptions in(given.size());
  Descriptions out(net.outputs.size());
  const std::span<cordwood_array> inputs = in.all();
  const std::span<cordwood_array> outputs = out.all();
  std::vector<py::object> prepared;  // inputs that live as long as this call
  for (std::size_t i = 0; i < given.size(); ++i) {
    py::handle array = given[i];
    if (!readable(array, net.inputs[i])) {
      prepared.push_back(call.prepare(array, i));
      array = prepared.back();
      if (!readable(array, net.inputs[i])) throw py::type_error("inputs must be arrays");
    }
    inputs[i] = describe(array, net.inputs[i].dtype_code);
  }
  py::object holder = new_holder(call);
  cordwood_message why;  // 512 bytes, left as they are unless something fails
  cordwood_backend_context* context = nullptr;
  int32_t code = thread_contexts().prepare(model.device(), context, why);
  if (code == CORDWOOD_STATUS_ok) code = model.shape_net(context, inputs, outputs, why);
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    py::object made = new_answer(net.outputs[i], outputs[i]);
    outputs[i].data = array_data(made.ptr());
    hand_over(call, std::move(made), i, holder);
  }
  {
    const Unlocked unlocked(true);
    code = model.run_net(context, inputs, outputs, call.threads, call.seconds, why);
  }
  if (code != CORDWOOD_STATUS_ok) throw_message(code, why.text);
  return holder;
}

/// Python's door sorts out what is not given in order.
py::object answer_in_order(const NetCall& call, std::span<PyObject* const> given,
                           PyObject* const* named, PyObject* keywords) {
  py::tuple positions(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) positions[i] = py::handle(given[i]);
  py::dict names;
  const Py_ssize_t n_named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < n_named; ++i) {
    names[py::handle(PyTuple_GET_ITEM(keywords, i))] = py::handle(named[i]);
  }
  const py::object ordered = call.order(positions, names);
  const std::size_t n_inputs = call.net->inputs.size();
  if (!PyTuple_Check(ordered.ptr()) ||
      static_cast<std::size_t>(PyTuple_GET_SIZE(ordered.ptr())) != n_inputs) {
    throw py::type_error("the door of a net did not return one input for each place");
  }
  return answer(call, {PySequence_Fast_ITEMS(ordered.ptr()), n_inputs});
}

PyObject* call_net(PyObject* capsule, PyObject* const* arguments, Py_ssize_t count,
                   PyObject* keywords) noexcept {
  const auto* call = static_cast<const NetCall*>(PyCapsule_GetPointer(capsule, kCapsuleName));
  if (call == nullptr) return nullptr;
  const std::span<PyObject* const> given(arguments, static_cast<std::size_t>(count));
  const bool named = keywords != nullptr && PyTuple_GET_SIZE(keywords) != 0;
  const bool in_order = !named && given.size() == call->net->inputs.size() &&
                        !(count == 1 && PyDict_Check(arguments[0]));
  try {
    py::object answers = in_order ? answer(*call, given)
                                  : answer_in_order(*call, given, arguments + count, keywords);
    return answers.release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

/// Lives as long as the process: Python keeps a pointer to it.
PyMethodDef& definition() noexcept {
  // Python stores every calling convention behind one pointer type and casts it back by the flags.
  static PyMethodDef call = {
      "call", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_net)),
      METH_FASTCALL | METH_KEYWORDS, "Answer inputs; see `cordwood.Net.__call__`."};
  return call;
}

void destroy_capsule(PyObject* capsule) noexcept {
  delete static_cast<NetCall*>(PyCapsule_GetPointer(capsule, kCapsuleName));
}

}  // namespace

py::object make_net_call(NetCall&& call) {
  auto owned = std::make_unique<NetCall>(std::move(call));
  auto capsule =
      py::reinterpret_steal<py::object>(PyCapsule_New(owned.get(), kCapsuleName, destroy_capsule));
  if (!capsule) throw py::error_already_set();
  static_cast<void>(owned.release());  // the capsule deletes it
  auto function = py::reinterpret_steal<py::object>(PyCFunction_New(&definition(), capsule.ptr()));
  if (!function) throw py::error_already_set();
  return function;
}

}  // namespace cordwood::bindings
