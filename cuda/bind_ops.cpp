// Functions on arrays that lie on a device. Arrays come as addresses: shapes, types and order are the
// caller's word (python/cordwood/_ops_there.py), places are looked up.
#include "cuda/bind_ops.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device_guard.hpp"
#include "cuda/mask.hpp"
#include "cuda/ops_call.hpp"
#include "cuda/weights.hpp"

namespace cordwood::cuda {
namespace {

namespace py = pybind11;

using Address = uint64_t;
using Shape = std::pair<uint64_t, uint64_t>;

template <class T>
T* at(Address address) noexcept {
  return reinterpret_cast<T*>(address);
}

void throw_unless_ok(const Status& status) {
  if (status.ok()) return;
  const bool is_memory = status.code == CORDWOOD_STATUS_out_of_memory ||
                         status.code == CORDWOOD_STATUS_device_out_of_memory;
  const py::object type =
      py::module_::import("cordwood.errors").attr(is_memory ? "ResourceError" : "DeviceError");
  PyErr_SetString(type.ptr(), render(status).c_str());
  throw py::error_already_set();
}

/// Runs `body` on the arrays' device while other threads of Python go on.
template <class Body>
auto on_device_of(std::initializer_list<const void*> arrays, const Body& body) {
  auto result = [&]() -> decltype(body()) {
    const py::gil_scoped_release release;
    const Result<int> device = device_of(arrays);
    if (!device) return device.status();
    const DeviceGuard guard(*device);
    if (!guard.status().ok()) return guard.status();
    return body();
  }();
  return result;
}

/// A place as Python has it: None where there is none.
py::object found(uint64_t place) {
  if (place == kNoPlace) return py::none();
  return py::int_(place);
}

py::object found(const Result<uint64_t>& place) {
  throw_unless_ok(place.status());
  return found(*place);
}

MaskScores scores_of(Address scores, const Shape& shape, bool is_signed) {
  return {at<const float>(scores), shape.first, shape.second, is_signed ? 1u : 0u};
}

py::object bind_groups(Address scores, Address mask, const Shape& shape, uint32_t keep, uint32_t of,
                       bool is_signed, Address stream) {
  const MaskScores task = scores_of(scores, shape, is_signed);
  auto* out = at<uint8_t>(mask);
  return found(on_device_of({task.scores, out}, [&] {
    return mask_groups(task, keep, of, out, at<CUstream_st>(stream));
  }));
}

py::object bind_top(Address scores, Address mask, const Shape& shape, uint64_t keep, bool whole,
                    bool is_signed, Address stream) {
  const MaskScores task = scores_of(scores, shape, is_signed);
  auto* out = at<uint8_t>(mask);
  return found(on_device_of({task.scores, out}, [&] {
    return mask_top(task, keep, whole, out, at<CUstream_st>(stream));
  }));
}

py::tuple bind_sums(Address scores, Address sums, const Shape& shape, const Shape& blocks,
                    bool is_signed, Address stream) {
  const MaskScores task = scores_of(scores, shape, is_signed);
  auto* out = at<float>(sums);
  const auto places = on_device_of({task.scores, out}, [&] {
    return mask_sums(task, {blocks.first, blocks.second}, out, at<CUstream_st>(stream));
  });
  throw_unless_ok(places.status());
  return py::make_tuple(found((*places).score), found((*places).sum));
}

void bind_spread(Address chosen, Address mask, const Shape& shape, const Shape& blocks,
                 Address stream) {
  const auto* from = at<const uint8_t>(chosen);
  auto* out = at<uint8_t>(mask);
  throw_unless_ok(on_device_of({from, out}, [&] {
    return mask_spread(from, {blocks.first, blocks.second}, shape.first, shape.second, out,
                       at<CUstream_st>(stream));
  }));
}

WeightsForm form_of(const Shape& shape, uint32_t bits, uint64_t group_size, bool symmetric,
                    bool half_scales) {
  const uint64_t size = group_size == 0 ? shape.second : group_size;
  return {.n_outputs = shape.first,
          .n_inputs = shape.second,
          .group_size = size,
          .n_groups = (shape.second + size - 1) / size,
          .bits = bits,
          .symmetric = symmetric,
          .half_scales = half_scales};
}

WeightCodes codes_of(Address payload, Address scales, Address zeros) {
  return {at<uint8_t>(payload), at<void>(scales), at<uint8_t>(zeros)};
}

py::object bind_quantize(Address w, const Shape& shape, Address payload, Address scales,
                         Address zeros, uint32_t bits, uint64_t group_size, bool half_scales,
                         const std::vector<float>& ratios, Address stream) {
  const WeightsForm form = form_of(shape, bits, group_size, zeros == 0, half_scales);
  const WeightCodes codes = codes_of(payload, scales, zeros);
  const auto* from = at<const float>(w);
  if (ratios.size() > kMostRatios) {
    throw py::value_error(std::to_string(ratios.size()) + " shares of a range, expected at most " +
                          std::to_string(kMostRatios));
  }
  RangeRatios tried{.ratios = {}, .count = static_cast<uint32_t>(ratios.size())};
  std::copy(ratios.begin(), ratios.end(), tried.ratios);
  return found(on_device_of({from, codes.payload, codes.scales, codes.zeros}, [&] {
    return tried.count == 0 ? quantize_weights(from, form, codes, at<CUstream_st>(stream))
                            : clip_weights(from, form, tried, codes, at<CUstream_st>(stream));
  }));
}

void bind_dequantize(Address payload, Address scales, Address zeros, Address out,
                     const Shape& shape, uint32_t bits, uint64_t group_size, bool half_scales,
                     Address stream) {
  const WeightsForm form = form_of(shape, bits, group_size, zeros == 0, half_scales);
  const WeightCodes codes = codes_of(payload, scales, zeros);
  auto* made = at<float>(out);
  throw_unless_ok(on_device_of({made, codes.payload, codes.scales, codes.zeros}, [&] {
    return decode_weights(codes, form, made, at<CUstream_st>(stream));
  }));
}

}  // namespace

void register_ops(py::module_& m) {
  m.def("mask_groups", &bind_groups, py::arg("scores"), py::arg("mask"), py::kw_only(),
        py::arg("shape"), py::arg("keep"), py::arg("of"), py::arg("signed"), py::arg("stream"),
        "Write a mask of n:m, and return the place of the first NaN.");
  m.def("mask_top", &bind_top, py::arg("scores"), py::arg("mask"), py::kw_only(), py::arg("shape"),
        py::arg("keep"), py::arg("whole"), py::arg("signed"), py::arg("stream"),
        "Write a mask of the best, and return the place of the first NaN.");
  m.def("mask_sums", &bind_sums, py::arg("scores"), py::arg("sums"), py::kw_only(),
        py::arg("shape"), py::arg("blocks"), py::arg("signed"), py::arg("stream"),
        "Write the sums of blocks, and return the places of the first NaN: score, sum.");
  m.def("mask_spread", &bind_spread, py::arg("chosen"), py::arg("mask"), py::kw_only(),
        py::arg("shape"), py::arg("blocks"), py::arg("stream"),
        "Write a mask of weights from one of blocks.");
  m.def("quantize_weights", &bind_quantize, py::arg("w"), py::kw_only(), py::arg("shape"),
        py::arg("payload"), py::arg("scales"), py::arg("zeros"), py::arg("bits"),
        py::arg("group_size"), py::arg("half_scales"), py::arg("ratios"), py::arg("stream"),
        "Write codes and scales, and return the place of the first weight that is not finite.");
  m.def("dequantize_weights", &bind_dequantize, py::arg("payload"), py::arg("scales"),
        py::arg("zeros"), py::arg("out"), py::kw_only(), py::arg("shape"), py::arg("bits"),
        py::arg("group_size"), py::arg("half_scales"), py::arg("stream"),
        "Write the weights that codes stand for.");
}

}  // namespace cordwood::cuda
