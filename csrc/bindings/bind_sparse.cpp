// Products of arrays with sparse matrices.
#include <array>
#include <optional>
#include <string>

#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "runtime/sparse_choice.hpp"
#include "runtime/sparse_run.hpp"
#include "runtime/thread_limits.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

kernels::SparseKind kind_of(const std::string& name) {
  if (name == "pairs") return kernels::SparseKind::pairs;
  return name == "blocks" ? kernels::SparseKind::blocks : kernels::SparseKind::slots;
}

/// A sparse weight matrix ready to multiply. Immutable, shared freely between threads.
class SparseMatrix {
 public:
  SparseMatrix(const Packed<int8_t>& codes, const Packed<float>& scales, const std::string& kind) {
    const bool fits = codes.ndim() == 2;
    const runtime::SparseCodes source{.codes = view(codes),
                                      .scales = view(scales),
                                      .n_outputs = fits ? static_cast<uint64_t>(codes.shape(0)) : 0,
                                      .n_inputs = fits ? static_cast<uint64_t>(codes.shape(1)) : 0};
    const kernels::SparseKind chosen = kind_of(kind);
    Result<runtime::SparsePlan> plan = [&] {
      const Unlocked unlocked;
      return runtime::SparsePlan::build(chosen, source);
    }();
    throw_unless_ok(plan.status());
    plan_ = std::move(plan).value();
  }

  py::array matmul(const py::array& x, const std::optional<Floats>& bias,
                   const std::optional<Floats>& residual, const std::optional<Cut>& cut,
                   const std::optional<py::array>& out, float static_scale, unsigned threads,
                   const std::optional<Coding>& x_coding, const std::optional<Coding>& coding,
                   const std::optional<std::string>& isa) const {
    const ProductRows rows(x, static_scale, x_coding);
    ProductArrays arrays(rows.array, bias, residual, out, coding, plan_.n_inputs(),
                         plan_.n_outputs());
    const auto limit = threads == 0 ? default_threads_ : runtime::resolve_threads(threads);
    throw_unless_ok(limit.status());
    throw_unless_ok(run({.rows = rows.source,
                         .n_rows = static_cast<uint64_t>(rows.array.shape(0)),
                         .end = arrays.ending<kernels::SparseEnd>(cut),
                         .answer = arrays.codes(),
                         .activation = activation_of(cut),
                         .threads = *limit},
                        kernels_of(isa)));
    return arrays.answer;
  }

  [[nodiscard]] uint64_t n_bytes() const noexcept { return plan_.n_bytes(); }

 private:
  [[nodiscard]] Status run(const runtime::SparseCall& call,
                           const runtime::ArrayKernels& kernels) const {
    // Scratch of this thread, kept warm; any matrix may use it, one call at a time.
    thread_local runtime::SparseContext context;
    const Unlocked unlocked;
    return runtime::run_sparse(context, plan_, call, kernels);
  }

  runtime::SparsePlan plan_;
  Result<unsigned> default_threads_ = runtime::resolve_threads(0);  // as of QuantizedMatrix
};

/// Name of the kind that costs least for a mask; None where a dense product does.
std::optional<std::string> choose_kind(const Packed<bool>& mask) {
  if (mask.ndim() != 2) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "mask", "expected a mask of 2 dimensions"));
  }
  const std::span<const bool> stays = view(mask);
  const auto chosen = [&] {
    const Unlocked unlocked;
    return runtime::choose_sparse_kind(
        {reinterpret_cast<const int8_t*>(stays.data()), stays.size()},
        static_cast<uint64_t>(mask.shape(0)), static_cast<uint64_t>(mask.shape(1)));
  }();
  if (!chosen) return std::nullopt;
  constexpr std::array<const char*, 3> names{"pairs", "blocks", "slots"};
  return names[static_cast<uint32_t>(*chosen)];
}

}  // namespace

void register_sparse(py::module_& m) {
  m.def("choose_sparse_kind", &choose_kind, py::arg("mask"),
        "The kind of sparse matrix that costs least for a mask of (outputs, inputs).");
  py::class_<SparseMatrix>(m, "SparseMatrix", py::is_final(),
                           py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                           "A sparse weight matrix laid out for products.")
      .def(py::init<const Packed<int8_t>&, const Packed<float>&, const std::string&>(),
           py::arg("codes"), py::arg("scales"), py::kw_only(), py::arg("kind"))
      .def("matmul", &SparseMatrix::matmul, py::arg("x"), py::arg("bias") = py::none(),
           py::arg("residual") = py::none(), py::arg("cut") = py::none(),
           py::arg("out") = py::none(), py::arg("static_scale") = 0.0f, py::arg("threads") = 0,
           py::arg("x_coding") = py::none(), py::arg("coding") = py::none(),
           py::arg("isa") = py::none(), "Multiply rows of activations, quantised on the fly.")
      .def_property_readonly("nbytes", &SparseMatrix::n_bytes,
                             "Bytes of weights and of what says where they stand.");
}

}  // namespace cordwood::bindings
