// Pools and normalisation of arrays of images.
#include <algorithm>

#include "bindings/image_arrays.hpp"
#include "bindings/product_call.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "runtime/pool_run.hpp"
#include "runtime/thread_limits.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using Numbers = std::vector<uint32_t>;

unsigned threads_of(unsigned threads) {
  const auto limit = runtime::resolve_threads(threads);
  throw_unless_ok(limit.status());
  return *limit;
}

py::array pool(const py::array& x, bool mean, const Numbers& kernel, const Numbers& stride,
               const Numbers& dilation, const Numbers& pad_before, const Numbers& pad_after,
               bool ceil_mode, bool count_padding, const std::string& kind, bool channels_first,
               unsigned threads, const std::optional<std::string>& isa) {
  const auto axes = static_cast<std::size_t>(std::max<py::ssize_t>(x.ndim() - 2, 0));
  runtime::PoolCall call;
  bool fits = axes >= 1 && axes <= CORDWOOD_MAX_SPACE;
  for (const Numbers* each : {&kernel, &stride, &dilation, &pad_before, &pad_after}) {
    fits = fits && each->size() == axes;
  }
  if (!fits) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "pool",
                      "x of {} dimensions; expected 3 to 5, and a number for each space axis",
                      x.ndim()));
  }
  call.attributes.kind = mean ? CORDWOOD_POOL_AVERAGE : CORDWOOD_POOL_MAX;
  call.attributes.axes = static_cast<uint32_t>(axes);
  call.attributes.ceil_mode = ceil_mode ? 1 : 0;
  call.attributes.count_padding = count_padding ? 1 : 0;
  std::copy_n(kernel.data(), axes, call.attributes.kernel);
  std::copy_n(stride.data(), axes, call.attributes.stride);
  std::copy_n(dilation.data(), axes, call.attributes.dilation);
  std::copy_n(pad_before.data(), axes, call.attributes.pad_before);
  std::copy_n(pad_after.data(), axes, call.attributes.pad_after);
  call.x = images_of(x, kind_of(kind), channels_first, "x");
  call.size = space_of(x, channels_first);
  call.n_images = static_cast<uint64_t>(x.shape(0));
  call.channels = static_cast<uint64_t>(x.shape(channels_first ? 1 : x.ndim() - 1));
  call.threads = threads_of(threads);
  const auto size = runtime::pool_size(call.attributes, call.size);
  throw_unless_ok(size.status());
  py::array answer(dtype_of(kind_of(kind)), image_shape(x, *size, call.channels, channels_first));
  call.out = images_of(answer, kind_of(kind), channels_first, "out");
  thread_local runtime::Context scratch;
  const runtime::ArrayKernels& kernels = kernels_of(isa);
  throw_unless_ok([&] {
    const Unlocked unlocked;
    return runtime::run_pool(scratch, call, kernels);
  }());
  return answer;
}

Packed<float> batch_norm(const Packed<float>& x, const Packed<float>& factor,
                         const Packed<float>& offset, bool channels_first, unsigned threads,
                         const std::optional<std::string>& isa) {
  const py::ssize_t channels = x.ndim() < 2 ? -1 : x.shape(channels_first ? 1 : x.ndim() - 1);
  if (channels < 0 || factor.size() != channels || offset.size() != channels) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "batch norm",
                      "{} factors and {} offsets; expected one for each of the channels of x",
                      factor.size(), offset.size()));
  }
  Packed<float> answer(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  if (x.size() == 0) return answer;
  const runtime::ArrayKernels& kernels = kernels_of(isa);
  const runtime::BatchNormCall call{
      .x = x.data(),
      .out = answer.mutable_data(),
      .factor = factor.data(),
      .offset = offset.data(),
      .n_images = static_cast<uint64_t>(x.shape(0)),
      .positions = static_cast<uint64_t>(x.size() / x.shape(0) / channels),
      .channels = static_cast<uint64_t>(channels),
      .channels_first = channels_first,
      .threads = threads_of(threads)};
  throw_unless_ok([&] {
    const Unlocked unlocked;
    return runtime::run_batch_norm(call, kernels);
  }());
  return answer;
}

}  // namespace

void register_pools(py::module_& m) {
  m.def("pool_images", &pool, py::arg("x"), py::kw_only(), py::arg("mean"), py::arg("kernel"),
        py::arg("stride"), py::arg("dilation"), py::arg("pad_before"), py::arg("pad_after"),
        py::arg("ceil_mode") = false, py::arg("count_padding") = false, py::arg("kind") = "float32",
        py::arg("channels_first") = true, py::arg("threads") = 0, py::arg("isa") = py::none(),
        "Pool windows of a batch of images.");
  m.def("batch_norm", &batch_norm, py::arg("x"), py::arg("factor"), py::arg("offset"),
        py::kw_only(), py::arg("channels_first") = true, py::arg("threads") = 0,
        py::arg("isa") = py::none(), "Scale and shift each channel.");
}

}  // namespace cordwood::bindings
