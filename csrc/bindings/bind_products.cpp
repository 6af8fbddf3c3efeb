// Products of arrays with quantised matrices.
#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "format/net_operators.h"
#include "format/operators.h"
#include "runtime/qmatmul_run.hpp"
#include "runtime/thread_limits.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;

/// A weight matrix ready to multiply. Immutable, shared freely between threads.
class QuantizedMatrix {
 public:
  QuantizedMatrix(const Packed<uint8_t>& payload, const Packed<float>& scales,
                  const std::optional<Packed<uint8_t>>& zeros, uint32_t bits, uint64_t group_size,
                  uint64_t n_inputs) {
    const runtime::PackedCodes codes{
        .payload = view(payload),
        .scales = view(scales),
        .zeros = zeros ? view(*zeros) : std::span<const uint8_t>{},
        .bits = bits,
        .group_size = group_size,
        .n_outputs = payload.ndim() == 2 ? static_cast<uint64_t>(payload.shape(0)) : 0,
        .n_inputs = n_inputs};
    Result<runtime::QmatmulPlan> plan = [&] {
      const Unlocked unlocked;
      return runtime::QmatmulPlan::build(codes);
    }();
    throw_unless_ok(plan.status());
    plan_ = std::move(plan).value();
  }

  /// Numbers of 16 bits (bfloat16 as uint16) or float32.
  QuantizedMatrix(const py::array& numbers, kernels::WeightKind kind) {
    const bool fits = numbers.ndim() == 2 && (numbers.flags() & py::array::c_style) != 0;
    const std::span<const std::byte> bytes{static_cast<const std::byte*>(numbers.data()),
                                           static_cast<std::size_t>(numbers.nbytes())};
    Result<runtime::QmatmulPlan> plan = [&] {
      const Unlocked unlocked;
      return runtime::QmatmulPlan::build(kind, bytes,
                                         fits ? static_cast<uint64_t>(numbers.shape(0)) : 0,
                                         fits ? static_cast<uint64_t>(numbers.shape(1)) : 0);
    }();
    throw_unless_ok(plan.status());
    plan_ = std::move(plan).value();
  }

  py::array matmul(const py::array& x, const std::optional<Floats>& bias,
                   const std::optional<Floats>& residual, const std::optional<Cut>& cut,
                   const std::optional<py::array>& out, bool float_rows, float static_scale,
                   uint64_t scale_group, unsigned threads, const std::optional<Coding>& x_coding,
                   const std::optional<Coding>& coding, bool bf16_rows,
                   const std::optional<std::string>& isa) const {
    const ProductRows rows(x, static_scale, x_coding);
    ProductArrays arrays(rows.array, bias, residual, out, coding, plan_.n_inputs(),
                         plan_.n_outputs());
    const auto limit = threads == 0 ? default_threads_ : runtime::resolve_threads(threads);
    throw_unless_ok(limit.status());
    const runtime::QmatmulCall call{.rows = rows.source,
                                    .n_rows = static_cast<uint64_t>(rows.array.shape(0)),
                                    .end = arrays.ending<kernels::QmatmulEnd>(cut),
                                    .answer = arrays.codes(),
                                    .activation = activation_of(cut),
                                    .float_rows = float_rows,
                                    .bf16_rows = bf16_rows,
                                    .scale_group = scale_group,
                                    .threads = *limit};
    throw_unless_ok(run(call, kernels_of(isa)));
    return arrays.answer;
  }

  [[nodiscard]] uint64_t n_bytes() const noexcept { return plan_.n_bytes(); }

 private:
  Status run(const runtime::QmatmulCall& call, const runtime::ArrayKernels& kernels) const {
    // Scratch of this thread, kept warm; any matrix may use it, one call at a time.
    thread_local runtime::QmatmulContext context;
    const Unlocked unlocked;
    return runtime::run_qmatmul(context, plan_, call, kernels);
  }

  runtime::QmatmulPlan plan_;
  // Asked for once: reading the quota of a control group takes longer than a small product.
  Result<unsigned> default_threads_ = runtime::resolve_threads(0);
};

/// A function over finished answers; one slope by channel is no parameter of it.
Cut function_of(uint32_t kind, float alpha, float beta) {
  if (kind > CORDWOOD_ACTIVATION_CLIP || kind == CORDWOOD_ACTIVATION_PRELU) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "activation",
                      "kind {}; expected one of docs/graph.md up to {}, not prelu", kind,
                      static_cast<int>(CORDWOOD_ACTIVATION_CLIP)));
  }
  return {0.0f, 0.0f, 0, {true, kind, alpha, beta}};
}

}  // namespace

void register_products(py::module_& m) {
  m.def(
      "multiply_adds",
      [](uint64_t rounds) {
        const runtime::ArrayKernels& kernels = kernels_of(std::nullopt);
        const Unlocked unlocked;
        return kernels.multiply_adds(rounds);
      },
      py::arg("rounds"), "Run byte multiply-adds on registers; return operations done.");
  m.def(
      "multiply_adds_bf16",
      [](uint64_t rounds) {
        const runtime::ArrayKernels& kernels = kernels_of(std::nullopt);
        const Unlocked unlocked;
        return kernels.multiply_adds_bf16(rounds);
      },
      py::arg("rounds"), "Run bfloat16 multiply-adds on registers; return operations done.");
  m.def(
      "read_bytes",
      [](const Packed<uint8_t>& block) {
        const runtime::ArrayKernels& kernels = kernels_of(std::nullopt);
        const auto n_bytes = static_cast<uint64_t>(block.size()) / 256 * 256;
        const uint8_t* bytes = block.data();
        const Unlocked unlocked;
        return kernels.read_bytes(bytes, n_bytes);
      },
      py::arg("block"), "Load a block of memory once, in order.");
  py::class_<Cut>(m, "Cut", py::is_final(),
                  py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                  "What an activation does to answers: limits, or a function.")
      .def(py::init([](float low, float high) { return Cut{low, high, 1, {}}; }), py::arg("low"),
           py::arg("high"))
      .def_static("function", &function_of, py::arg("kind"), py::arg("alpha") = 0.0f,
                  py::arg("beta") = 0.0f,
                  "A function of the answers, by its number in docs/graph.md.");
  py::class_<Coding>(m, "Coding", py::is_final(),
                     py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                     "Codes of one scale and zero point.")
      .def(py::init(&coding_of), py::arg("dtype"), py::arg("scale"), py::arg("zero"));
  py::class_<QuantizedMatrix>(m, "QuantizedMatrix", py::is_final(),
                              py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                              "A quantised weight matrix laid out for products.")
      .def(py::init<const Packed<uint8_t>&, const Packed<float>&,
                    const std::optional<Packed<uint8_t>>&, uint32_t, uint64_t, uint64_t>(),
           py::arg("payload"), py::arg("scales"), py::arg("zeros"), py::kw_only(), py::arg("bits"),
           py::arg("group_size"), py::arg("n_inputs"))
      .def(py::init([](const py::array& numbers, const std::string& kind) {
             return QuantizedMatrix(numbers, kind == "bfloat16"  ? kernels::WeightKind::bfloat16
                                             : kind == "float16" ? kernels::WeightKind::float16
                                                                 : kernels::WeightKind::float32);
           }),
           py::arg("numbers"), py::kw_only(), py::arg("kind"))
      .def("matmul", &QuantizedMatrix::matmul, py::arg("x"), py::arg("bias") = py::none(),
           py::arg("residual") = py::none(), py::arg("cut") = py::none(),
           py::arg("out") = py::none(), py::arg("float_rows") = false,
           py::arg("static_scale") = 0.0f, py::arg("scale_group") = 0, py::arg("threads") = 0,
           py::arg("x_coding") = py::none(), py::arg("coding") = py::none(),
           py::arg("bf16_rows") = false, py::arg("isa") = py::none(),
           "Multiply rows of activations, quantised on the fly.")
      .def_property_readonly("nbytes", &QuantizedMatrix::n_bytes,
                             "Bytes of weights, scales and zero points as laid out.");
}

}  // namespace cordwood::bindings
