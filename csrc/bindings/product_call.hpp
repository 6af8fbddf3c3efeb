// What calls of products share: arrays in, limits of activations, the kernels to use.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "runtime/activation.hpp"
#include "runtime/dispatch.hpp"

namespace cordwood::bindings {

template <class T>
using Packed = pybind11::array_t<T, pybind11::array::c_style>;
/// Activations and what is added to them; converted where they are not float32 already.
using Floats = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;

template <class T>
std::span<const T> view(const Packed<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

/// The kernels of a named row, or of the process's own.
inline const runtime::ArrayKernels& kernels_of(const std::optional<std::string>& isa) {
  if (isa) return *kernel_row(*isa).arrays;
  const auto row = runtime::active_row();
  throw_unless_ok(row.status());
  return *(*row)->arrays;
}

/// What an activation does to the answer: limits that it is cut to, or a function over it.
struct Cut {
  float low;
  float high;
  uint32_t cut;
  runtime::Activation activation;
};

inline runtime::Activation activation_of(const std::optional<Cut>& cut) {
  return cut ? cut->activation : runtime::Activation{};
}

/// Raises unless an array has this shape; -1 stands for any size.
inline void check_shape(const Floats& array, const char* name,
                        std::initializer_list<pybind11::ssize_t> shape) {
  const auto wanted = static_cast<pybind11::ssize_t>(shape.size());
  bool fits = array.ndim() == wanted;
  for (pybind11::ssize_t axis = 0; fits && axis < wanted; ++axis) {
    const pybind11::ssize_t size = shape.begin()[axis];
    fits = size < 0 || array.shape(axis) == size;
  }
  if (fits) return;
  throw_status(fail(CORDWOOD_STATUS_shape_mismatch, name,
                    "{} dimensions, the last of {}; expected {}, the last of {}", array.ndim(),
                    array.ndim() == 0 ? 0 : array.shape(array.ndim() - 1), wanted,
                    shape.begin()[wanted - 1]));
}

/// Arrays of a call of one product, judged.
struct ProductArrays {
  ProductArrays(const Floats& x, const std::optional<Floats>& bias,
                const std::optional<Floats>& residual, const std::optional<Floats>& out,
                uint64_t n_inputs, uint64_t n_outputs)
      : bias_(bias ? bias->data() : nullptr), residual_(residual ? residual->data() : nullptr) {
    const auto columns = static_cast<pybind11::ssize_t>(n_outputs);
    check_shape(x, "x", {-1, static_cast<pybind11::ssize_t>(n_inputs)});
    if (bias) check_shape(*bias, "bias", {columns});
    if (residual) check_shape(*residual, "residual", {x.shape(0), columns});
    answer = out ? *out : Floats({x.shape(0), columns});
    check_shape(answer, "out", {x.shape(0), columns});
  }

  /// End is kernels::QmatmulEnd or kernels::SparseEnd.
  template <class End>
  [[nodiscard]] End ending(const std::optional<Cut>& cut) const {
    const auto n_outputs = static_cast<uint64_t>(answer.shape(1));
    return {.out = const_cast<float*>(answer.data()),
            .bias = bias_,
            .residual = residual_,
            .out_stride = n_outputs,
            .residual_stride = n_outputs,
            .n_outputs = n_outputs,
            .low = cut ? cut->low : 0.0f,
            .high = cut ? cut->high : 0.0f,
            .cut = cut ? cut->cut : 0u};
  }

  Floats answer;

 private:
  const float* bias_;
  const float* residual_;
};

}  // namespace cordwood::bindings
