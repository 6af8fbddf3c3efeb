// One method of a model as a Python builtin: rows in, array out, as few steps between as can be.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string_view>

#include "runtime/backends.hpp"

namespace cordwood::bindings {

struct Method {
  std::shared_ptr<const runtime::DeviceModel> model;
  cordwood_target target;
  cordwood_answer answer;
  bool flat;  ///< the answer is (n_rows,) where it has one column
  unsigned threads;
  pybind11::object prepare;  ///< makes rows of whatever cannot be read in place, or raises
  pybind11::object labels;   ///< 1-D array that class indices pick from, or None
};

/// A builtin function of one argument X. `name` must be one of the names that scikit-learn uses.
pybind11::object make_method(std::string_view name, Method&& method);

}  // namespace cordwood::bindings
