// Convolutions of arrays of images.
#include "bindings/image_arrays.hpp"
#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "runtime/conv_run.hpp"
#include "runtime/thread_limits.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::ImageKind;
using runtime::Space;

/// Attributes by space axis, as Python gives them.
struct Window {
  std::vector<uint32_t> stride, dilation, pad_before, pad_after, output_padding;
  uint32_t groups;
  bool transposed;
};

/// Weights of a convolution, ready to run. Immutable, shared freely between threads.
class Convolution {
 public:
  Convolution(const py::array& weights, const std::optional<Packed<float>>& scales,
              const Window& window, uint32_t rows, float row_scale, int32_t row_zero)
      : rank_(weights.ndim()) {
    const auto axes = static_cast<uint32_t>(rank_ < 3 || rank_ > 5 ? 0 : rank_ - 2);
    const bool fits = axes != 0 && (weights.flags() & py::array::c_style) != 0 &&
                      weights.dtype().is(dtype_of(scales ? ImageKind::uint8 : ImageKind::float32));
    for (const auto* each : {&window.stride, &window.dilation, &window.pad_before,
                             &window.pad_after, &window.output_padding}) {
      if (!fits || each->size() != axes) {
        throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                          "weights of {} dimensions; expected 3 to 5, packed, of float32 or uint8 "
                          "with scales, and a number for each space axis",
                          rank_));
      }
    }
    cordwood_conv_attributes attributes{};
    attributes.axes = axes;
    attributes.groups = window.groups;
    attributes.transposed = window.transposed ? 1 : 0;
    for (uint32_t i = 0; i < axes; ++i) {
      attributes.stride[i] = window.stride[i];
      attributes.dilation[i] = window.dilation[i];
      attributes.pad_before[i] = window.pad_before[i];
      attributes.pad_after[i] = window.pad_after[i];
      attributes.output_padding[i] = window.output_padding[i];
    }
    attributes.product.rows = static_cast<uint8_t>(rows);
    attributes.product.row_scale = row_scale;
    attributes.product.row_zero = row_zero;
    const auto first = static_cast<uint64_t>(weights.shape(0));
    const auto second = static_cast<uint64_t>(weights.shape(1)) * window.groups;
    const auto n = static_cast<std::size_t>(weights.size());
    runtime::ConvWeights given{.numbers = {},
                               .codes = {},
                               .scales = {},
                               .outputs = window.transposed ? second : first,
                               .channels = window.transposed ? first : second,
                               .kernel = space_of(weights, true)};
    if (scales) {
      given.codes = {static_cast<const uint8_t*>(weights.data()), n};
      given.scales = view(*scales);
    } else {
      given.numbers = {static_cast<const float*>(weights.data()), n};
    }
    Result<runtime::ConvPlan> plan = runtime::ConvPlan::build(attributes, given);
    throw_unless_ok(plan.status());
    plan_ = std::move(plan).value();
  }

  py::array run(const py::array& x, const std::string& kind, bool channels_first, float scale,
                int32_t zero, bool bordered, const std::optional<Packed<float>>& bias,
                const std::optional<py::array>& residual, const std::string& residual_kind,
                float residual_scale, int32_t residual_zero, const std::optional<Cut>& cut,
                const std::optional<py::array>& out, const std::string& out_kind,
                bool out_channels_first, float out_scale, int32_t out_zero, unsigned threads,
                const std::optional<std::string>& isa) const {
    const py::ssize_t channel_axis = channels_first ? 1 : rank_ - 1;
    if (x.ndim() != rank_ || x.shape(channel_axis) != static_cast<py::ssize_t>(plan_.channels())) {
      throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "x",
                        "{} dimensions; expected {}, of which {} channels", x.ndim(), rank_,
                        plan_.channels()));
    }
    runtime::ConvCall call{.x = images_of(x, kind_of(kind), channels_first, "x"),
                           .bordered = bordered,
                           .size = space_of(x, channels_first),
                           .n_images = static_cast<uint64_t>(x.shape(0))};
    call.x.scale = scale;
    call.x.zero = zero;
    const Result<Space> size = plan_.output_size(call.size);
    throw_unless_ok(size.status());
    const std::vector<py::ssize_t> shape =
        image_shape(x, *size, plan_.outputs(), out_channels_first);
    py::array answer = out ? *out : py::array(dtype_of(kind_of(out_kind)), shape);
    check_images(answer, shape, "out");
    call.out = images_of(answer, kind_of(out_kind), out_channels_first, "out");
    call.out.scale = out_scale;
    call.out.zero = out_zero;
    if (residual) {
      check_images(*residual, shape, "residual");
      call.residual = images_of(*residual, kind_of(residual_kind), out_channels_first, "residual");
      call.residual.scale = residual_scale;
      call.residual.zero = residual_zero;
    }
    if (bias) {
      if (static_cast<uint64_t>(bias->size()) != plan_.outputs()) refuse_images("bias");
      call.bias = bias->data();
    }
    if (cut && cut->cut == 0) {
      throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "cut", "a function; expected limits"));
    }
    call.cut = cut.has_value();
    if (cut) {
      call.low = cut->low;
      call.high = cut->high;
    }
    const auto limit = threads == 0 ? default_threads_ : runtime::resolve_threads(threads);
    throw_unless_ok(limit.status());
    call.threads = *limit;
    throw_unless_ok(start(call, kernels_of(isa)));
    return answer;
  }

  [[nodiscard]] uint64_t n_bytes() const noexcept { return plan_.n_bytes(); }

 private:
  Status start(const runtime::ConvCall& call, const runtime::ArrayKernels& kernels) const {
    // Scratch of this thread, kept warm; any convolution may use it, one call at a time.
    thread_local runtime::ConvContext context;
    const Unlocked unlocked;
    return runtime::run_conv(context, plan_, call, kernels);
  }

  py::ssize_t rank_;
  runtime::ConvPlan plan_;
  // Asked for once: reading the quota of a control group takes longer than a small product.
  Result<unsigned> default_threads_ = runtime::resolve_threads(0);
};

}  // namespace

void register_images(py::module_& m) {
  py::class_<Convolution>(m, "Convolution", py::is_final(),
                          py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)),
                          "Weights of a convolution, laid out for images with channels last.")
      .def(py::init([](const py::array& weights, const std::optional<Packed<float>>& scales,
                       const std::vector<uint32_t>& stride, const std::vector<uint32_t>& dilation,
                       const std::vector<uint32_t>& pad_before,
                       const std::vector<uint32_t>& pad_after,
                       const std::vector<uint32_t>& output_padding, uint32_t groups,
                       bool transposed, uint32_t rows, float row_scale, int32_t row_zero) {
             return Convolution(
                 weights, scales,
                 {stride, dilation, pad_before, pad_after, output_padding, groups, transposed},
                 rows, row_scale, row_zero);
           }),
           py::arg("weights"), py::arg("scales"), py::kw_only(), py::arg("stride"),
           py::arg("dilation"), py::arg("pad_before"), py::arg("pad_after"),
           py::arg("output_padding"), py::arg("groups") = 1, py::arg("transposed") = false,
           py::arg("rows") = 0, py::arg("row_scale") = 0.0f, py::arg("row_zero") = 0)
      .def("run", &Convolution::run, py::arg("x"), py::kw_only(), py::arg("kind") = "float32",
           py::arg("channels_first") = true, py::arg("scale") = 0.0f, py::arg("zero") = 0,
           py::arg("bordered") = false, py::arg("bias") = py::none(),
           py::arg("residual") = py::none(), py::arg("residual_kind") = "float32",
           py::arg("residual_scale") = 0.0f, py::arg("residual_zero") = 0,
           py::arg("cut") = py::none(), py::arg("out") = py::none(),
           py::arg("out_kind") = "float32", py::arg("out_channels_first") = true,
           py::arg("out_scale") = 0.0f, py::arg("out_zero") = 0, py::arg("threads") = 0,
           py::arg("isa") = py::none(), "Convolve a batch of images.")
      .def_property_readonly("nbytes", &Convolution::n_bytes,
                             "Bytes of weights, sums and scales as laid out.");
}

}  // namespace cordwood::bindings
