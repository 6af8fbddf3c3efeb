// Arrays of images, as calls of convolutions and pools take them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/errors.hpp"
#include "runtime/image.hpp"

namespace cordwood::bindings {

inline runtime::ImageKind kind_of(const std::string& name) {
  if (name == "float32") return runtime::ImageKind::float32;
  if (name == "uint8") return runtime::ImageKind::uint8;
  if (name == "int8") return runtime::ImageKind::int8;
  throw_status(
      fail(CORDWOOD_STATUS_shape_mismatch, "kind of images", "expected float32, uint8 or int8"));
}

inline pybind11::dtype dtype_of(runtime::ImageKind kind) {
  if (kind == runtime::ImageKind::float32) return pybind11::dtype::of<float>();
  return kind == runtime::ImageKind::int8 ? pybind11::dtype::of<int8_t>()
                                          : pybind11::dtype::of<uint8_t>();
}

[[noreturn]] inline void refuse_images(const char* place) {
  throw_status(fail(CORDWOOD_STATUS_shape_mismatch, place,
                    "expected (batch, channels, ...) packed, or (batch, ..., channels) of which "
                    "positions lie together, of the kind that is said"));
}

/// runtime::Space axes of an array of images, with leading axes of size 1.
inline runtime::Space space_of(const pybind11::array& array, bool channels_first) {
  const auto axes = static_cast<uint32_t>(array.ndim() - 2);
  runtime::Space size{1, 1, 1};
  for (uint32_t i = 0; i < axes; ++i) {
    const auto axis = static_cast<pybind11::ssize_t>(i + (channels_first ? 2 : 1));
    size[CORDWOOD_MAX_SPACE - axes + i] = static_cast<uint64_t>(array.shape(axis));
  }
  return size;
}

/// An array as images; its rank is known.
inline runtime::Images images_of(const pybind11::array& array, runtime::ImageKind kind,
                                 bool channels_first, const char* place) {
  if (!array.dtype().is(dtype_of(kind))) refuse_images(place);
  runtime::Images images{
      .data = const_cast<void*>(array.data()), .kind = kind, .channels_first = channels_first};
  const pybind11::ssize_t rank = array.ndim();
  if (channels_first) {
    if ((array.flags() & pybind11::array::c_style) == 0 || kind != runtime::ImageKind::float32)
      refuse_images(place);
    return images;
  }
  const pybind11::ssize_t width = array.itemsize();
  const bool together =
      (array.strides(rank - 1) == width || array.shape(rank - 1) == 1) &&
      (array.strides(rank - 2) == width * array.shape(rank - 1) || array.shape(rank - 2) == 1);
  if (!together) refuse_images(place);
  const auto stride = [&](pybind11::ssize_t axis) {
    return static_cast<uint64_t>(array.strides(axis) / width);
  };
  images.image_stride = stride(0);
  images.row_stride = rank >= 4 ? stride(rank - 3) : stride(0);
  images.plane_stride = rank >= 5 ? stride(rank - 4) : stride(0);
  return images;
}

/// The shape of an answer to x.
inline std::vector<pybind11::ssize_t> image_shape(const pybind11::array& x,
                                                  const runtime::Space& size, uint64_t channels,
                                                  bool channels_first) {
  std::vector<pybind11::ssize_t> shape{x.shape(0)};
  if (channels_first) shape.push_back(static_cast<pybind11::ssize_t>(channels));
  for (auto axis = static_cast<std::size_t>(5 - x.ndim()); axis < size.size(); ++axis) {
    shape.push_back(static_cast<pybind11::ssize_t>(size[axis]));
  }
  if (!channels_first) shape.push_back(static_cast<pybind11::ssize_t>(channels));
  return shape;
}

inline void check_images(const pybind11::array& array, const std::vector<pybind11::ssize_t>& shape,
                         const char* place) {
  bool fits = array.ndim() == static_cast<pybind11::ssize_t>(shape.size());
  for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
    fits = array.shape(static_cast<pybind11::ssize_t>(axis)) == shape[axis];
  }
  if (!fits) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, place, "not of the answer's shape"));
  }
}

}  // namespace cordwood::bindings
