// What calls of products share: arrays in, limits of activations, the kernels to use.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "runtime/activation.hpp"
#include "runtime/answer_codes.hpp"
#include "runtime/coded_rows.hpp"
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

/// Codes of one scale and zero point, of activations or answers.
struct Coding {
  float scale;   ///< 0: activations have scales and zero points of their own
  int32_t zero;  ///< less 128 for uint8
  uint8_t flip;  ///< 128 for uint8
};

inline Coding coding_of(const std::string& dtype, float scale, int32_t zero) {
  const bool is_unsigned = dtype == "uint8";
  const int32_t own = is_unsigned ? zero - 128 : zero;
  if ((!is_unsigned && dtype != "int8") || !(scale >= 0.0f) || own < -128 || own > 127) {
    throw_status(
        fail(CORDWOOD_STATUS_shape_mismatch, "codes",
             "not int8 or uint8 with a scale of at least 0 and a zero point of that type"));
  }
  return {scale, own, static_cast<uint8_t>(is_unsigned ? 128 : 0)};
}

inline runtime::Activation activation_of(const std::optional<Cut>& cut) {
  return cut ? cut->activation : runtime::Activation{};
}

/// Raises unless an array has this shape; -1 stands for any size.
inline void check_shape(const pybind11::array& array, const char* name,
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

inline pybind11::dtype code_type(const Coding& coding) {
  return coding.flip != 0 ? pybind11::dtype::of<uint8_t>() : pybind11::dtype::of<int8_t>();
}

/// Activations, converted where kernels cannot read them, and how they become codes.
struct ProductRows {
  ProductRows(const pybind11::array& x, float static_scale, const std::optional<Coding>& coding)
      : array(x) {
    source.static_scale = coding ? coding->scale : static_scale;
    if (coding) {
      source.static_zero = coding->zero;
      source.form = kernels::RowForm::affine;
    }
    if (coding && coding->scale > 0.0f && x.itemsize() == 1) {
      take_codes(*coding);
    } else {
      array = Floats::ensure(x);
      if (!array) throw pybind11::error_already_set();
      source.x = static_cast<const float*>(array.data());
    }
    source.stride = array.ndim() == 2 ? static_cast<uint64_t>(array.shape(1)) : 0;
  }

  pybind11::array array;
  runtime::RowSource source;

 private:
  void take_codes(const Coding& coding) {
    if (!array.dtype().is(code_type(coding))) {
      throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "x", "codes of another type"));
    }
    array = pybind11::array::ensure(array, pybind11::array::c_style);
    if (!array) throw pybind11::error_already_set();
    source.form = kernels::RowForm::coded;
    source.given = static_cast<const uint8_t*>(array.data());
    source.flip = coding.flip;
  }
};

/// Arrays of a call of one product, judged.
struct ProductArrays {
  ProductArrays(const pybind11::array& x, const std::optional<Floats>& bias,
                const std::optional<Floats>& residual, const std::optional<pybind11::array>& out,
                const std::optional<Coding>& coding, uint64_t n_inputs, uint64_t n_outputs)
      : coding_(coding),
        bias_(bias ? bias->data() : nullptr),
        residual_(residual ? residual->data() : nullptr) {
    const auto columns = static_cast<pybind11::ssize_t>(n_outputs);
    check_shape(x, "x", {-1, static_cast<pybind11::ssize_t>(n_inputs)});
    if (bias) check_shape(*bias, "bias", {columns});
    if (residual) check_shape(*residual, "residual", {x.shape(0), columns});
    if (!out && !coding) {
      answer = Floats({x.shape(0), columns});
      return;
    }
    answer = out ? *out : pybind11::array(code_type(*coding), {x.shape(0), columns});
    check_shape(answer, "out", {x.shape(0), columns});
    const bool is_type = coding ? answer.dtype().is(code_type(*coding))
                                : pybind11::isinstance<pybind11::array_t<float>>(answer);
    if (!is_type || (coding && coding->scale == 0.0f) ||
        (answer.flags() & pybind11::array::c_style) == 0 || !answer.writeable()) {
      throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "out",
                        "not writable, packed, of its type and scale"));
    }
  }

  /// End is kernels::QmatmulEnd or kernels::SparseEnd.
  template <class End>
  [[nodiscard]] End ending(const std::optional<Cut>& cut) {
    const auto n_outputs = static_cast<uint64_t>(answer.shape(1));
    return {.out = coding_ ? nullptr : static_cast<float*>(answer.mutable_data()),
            .bias = bias_,
            .residual = residual_,
            .out_stride = n_outputs,
            .residual_stride = n_outputs,
            .n_outputs = n_outputs,
            .low = cut ? cut->low : 0.0f,
            .high = cut ? cut->high : 0.0f,
            .cut = cut ? cut->cut : 0u};
  }

  [[nodiscard]] runtime::AnswerCodes codes() {
    if (!coding_) return {};
    return {.out = static_cast<uint8_t*>(answer.mutable_data()),
            .scale = coding_->scale,
            .zero = coding_->zero,
            .flip = coding_->flip};
  }

  pybind11::array answer;

 private:
  const std::optional<Coding>& coding_;
  const float* bias_;
  const float* residual_;
};

}  // namespace cordwood::bindings
