// Texts and labels of a file as Python sees them.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "format/view.hpp"

namespace cordwood::bindings {

pybind11::tuple text_tuple(const format::StringsView& table);

/// An array of int64, float64 or bool, or a tuple of str.
pybind11::object label_array(const format::LabelsView& labels);

/// The labels of the only output, a list of those of each, or None where the file has none.
pybind11::object label_arrays(const std::vector<format::LabelsView>& outputs);

}  // namespace cordwood::bindings
