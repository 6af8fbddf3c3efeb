// Products of arrays of activations, and attention. Shapes are judged here; what an array may be made
// of, in Python.
#include <vector>

#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "runtime/attention_run.hpp"
#include "runtime/matmul_run.hpp"
#include "runtime/thread_limits.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

constexpr py::ssize_t kFloatBytes = sizeof(float);

uint64_t size_of(const py::array& array, py::ssize_t axis) {
  return static_cast<uint64_t>(array.shape(axis));
}

/// Entries from one place of an axis to the next; an axis of one place has none.
uint64_t step_of(const py::array& array, py::ssize_t axis) {
  return array.shape(axis) < 2 ? 0 : static_cast<uint64_t>(array.strides(axis) / array.itemsize());
}

/// Raises unless a kernel can walk through it: dimensions, type, and a last axis without gaps.
void check_array(const py::array& array, const char* name, py::ssize_t dimensions, bool numbers) {
  bool fits = array.ndim() == dimensions;
  fits = fits && (numbers ? py::isinstance<py::array_t<float>>(array) : array.itemsize() == 1);
  if (fits && array.size() == 0) return;  // nothing to walk through; strides may be anything
  for (py::ssize_t axis = 0; fits && axis < dimensions; ++axis) {
    const py::ssize_t stride = array.strides(axis);
    fits = array.shape(axis) < 2 || (stride >= 0 && stride % array.itemsize() == 0);
  }
  const py::ssize_t last = dimensions - 1;
  fits = fits && (array.shape(last) < 2 || array.strides(last) == array.itemsize());
  if (fits) return;
  throw_status(fail(CORDWOOD_STATUS_shape_mismatch, name,
                    "{} dimensions of {} bytes an entry; expected {} dimensions of plain entries, "
                    "the last axis without gaps",
                    array.ndim(), array.itemsize(), dimensions));
}

/// Raises unless a size is what another array makes it.
void check_size(const char* name, py::ssize_t axis, uint64_t given, uint64_t expected) {
  if (given == expected) return;
  throw_status(fail(CORDWOOD_STATUS_shape_mismatch, name, "axis {} has {} places; expected {}",
                    axis, given, expected));
}

runtime::HeadSteps steps_of(const py::array& array) {
  return {step_of(array, 0), step_of(array, 1), step_of(array, 2)};
}

unsigned limit_of(unsigned threads) {
  static const Result<unsigned> all = runtime::resolve_threads(0);
  const Result<unsigned> limit = threads == 0 ? all : runtime::resolve_threads(threads);
  throw_unless_ok(limit.status());
  return *limit;
}

/// Scratch of this thread, kept warm; one call at a time.
runtime::Context& own_scratch() {
  thread_local runtime::Context context;
  return context;
}

void attention(const py::array& q, const py::array& k, const py::array& v,
               const std::optional<py::array>& mask, const py::array& out, float scale, bool causal,
               uint64_t window, float soft_cap, bool coded, unsigned threads,
               const std::optional<std::string>& isa) {
  check_array(q, "q", 4, true);
  check_array(k, "k", 4, true);
  check_array(v, "v", 4, true);
  check_array(out, "out", 4, true);
  runtime::AttentionCall call{};
  call.queries = static_cast<const float*>(q.data());
  call.keys = static_cast<const float*>(k.data());
  call.values = static_cast<const float*>(v.data());
  call.out = static_cast<float*>(const_cast<void*>(out.data()));
  call.query_steps = steps_of(q);
  call.key_steps = steps_of(k);
  call.value_steps = steps_of(v);
  call.out_steps = steps_of(out);
  call.n_batch = size_of(q, 0);
  call.n_heads = size_of(q, 1);
  call.n_kv_heads = size_of(k, 1);
  call.n_queries = size_of(q, 2);
  call.n_keys = size_of(k, 2);
  call.n_inputs = size_of(q, 3);
  call.n_columns = size_of(v, 3);
  check_size("k", 0, size_of(k, 0), call.n_batch);
  check_size("k", 3, size_of(k, 3), call.n_inputs);
  check_size("v", 0, size_of(v, 0), call.n_batch);
  check_size("v", 1, size_of(v, 1), call.n_kv_heads);
  check_size("v", 2, size_of(v, 2), call.n_keys);
  const uint64_t shape[] = {call.n_batch, call.n_heads, call.n_queries, call.n_columns};
  for (py::ssize_t axis = 0; axis < 4; ++axis) {
    check_size("out", axis, size_of(out, axis), shape[axis]);
  }
  if (call.n_kv_heads == 0 || call.n_heads % call.n_kv_heads != 0 || call.n_inputs == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "q",
                      "{} heads of {} inputs; expected a multiple of the {} heads of k, and inputs",
                      call.n_heads, call.n_inputs, call.n_kv_heads));
  }
  if (mask) {
    const bool numbers = mask->itemsize() == kFloatBytes;
    check_array(*mask, "mask", 4, numbers);
    const uint64_t mask_shape[] = {call.n_batch, call.n_heads, call.n_queries, call.n_keys};
    for (py::ssize_t axis = 0; axis < 4; ++axis) {
      check_size("mask", axis, size_of(*mask, axis), mask_shape[axis]);
    }
    call.mask = mask->data();
    call.mask_steps = steps_of(*mask);
    call.mask_kind = numbers ? kernels::AttentionMask::numbers : kernels::AttentionMask::flags;
  }
  call.scale = scale;
  call.soft_cap = soft_cap;
  call.window = window;
  call.causal = causal;
  call.coded = coded;
  call.threads = limit_of(threads);
  const runtime::ArrayKernels& row = kernels_of(isa);
  runtime::Context& scratch = own_scratch();
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::run_attention(scratch, call, row);
  }();
  throw_unless_ok(status);
}

/// Leading axes are equal, or 1 where an array is repeated.
Floats matmul(const py::array& a, const py::array& b, bool transpose_a, bool transpose_b,
              unsigned threads, const std::optional<std::string>& isa) {
  const py::ssize_t last = a.ndim() - 1;
  if (last < 1) check_array(a, "a", 2, true);
  check_array(a, "a", last + 1, true);
  check_array(b, "b", last + 1, true);
  std::vector<runtime::BatchAxis> batch;
  std::vector<py::ssize_t> shape;
  for (py::ssize_t axis = 0; axis < last - 1; ++axis) {
    const uint64_t size = size_of(a, axis) == 1 ? size_of(b, axis) : size_of(a, axis);
    if (size_of(b, axis) != 1) check_size("b", axis, size_of(b, axis), size);
    batch.push_back({size, step_of(a, axis), step_of(b, axis)});
    shape.push_back(static_cast<py::ssize_t>(size));
  }
  runtime::MatmulCall call{};
  call.n_rows = size_of(a, transpose_a ? last : last - 1);
  call.n_inner = size_of(a, transpose_a ? last - 1 : last);
  call.n_columns = size_of(b, transpose_b ? last - 1 : last);
  check_size("b", transpose_b ? last : last - 1, size_of(b, transpose_b ? last : last - 1),
             call.n_inner);
  shape.push_back(static_cast<py::ssize_t>(call.n_rows));
  shape.push_back(static_cast<py::ssize_t>(call.n_columns));
  Floats out(shape);
  call.a = static_cast<const float*>(a.data());
  call.b = static_cast<const float*>(b.data());
  call.out = out.mutable_data();
  call.a_stride = step_of(a, last - 1);
  call.b_stride = step_of(b, last - 1);
  call.transpose_a = transpose_a;
  call.transpose_b = transpose_b;
  call.batch = batch;
  call.threads = limit_of(threads);
  const runtime::ArrayKernels& row = kernels_of(isa);
  runtime::Context& scratch = own_scratch();
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::run_matmul(scratch, call, row);
  }();
  throw_unless_ok(status);
  return out;
}

}  // namespace

void register_attention(py::module_& m) {
  m.def("attention", &attention, py::arg("q"), py::arg("k"), py::arg("v"), py::arg("mask"),
        py::arg("out"), py::kw_only(), py::arg("scale"), py::arg("causal") = false,
        py::arg("window") = 0, py::arg("soft_cap") = 0.0f, py::arg("coded") = false,
        py::arg("threads") = 0, py::arg("isa") = py::none(),
        "Attention of (batch, heads, places, width) arrays.");
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"), py::kw_only(),
        py::arg("transpose_a") = false, py::arg("transpose_b") = false, py::arg("threads") = 0,
        py::arg("isa") = py::none(), "Multiply stacks of float32 matrices.");
}

}  // namespace cordwood::bindings
