// Texts and labels of a file as Python sees them.
#include "bindings/labels.hpp"

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cordwood::bindings {

namespace py = pybind11;

py::tuple text_tuple(const format::StringsView& table) {
  py::tuple texts(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    texts[i] = py::str(table[i].data(), table[i].size());
  }
  return texts;
}

py::object label_array(const format::LabelsView& labels) {
  const auto numbers = [&]<class T>(T) -> py::object {
    py::array_t<T> array(static_cast<py::ssize_t>(labels.count));
    std::memcpy(array.mutable_data(), labels.numbers.data(), labels.numbers.size());
    return array;
  };
  switch (labels.type) {
    case CORDWOOD_LABELS_INT64:
      return numbers(int64_t{});
    case CORDWOOD_LABELS_FLOAT64:
      return numbers(double{});
    case CORDWOOD_LABELS_BOOL:
      return numbers(bool{});
    default:  // CORDWOOD_LABELS_UTF8
      return text_tuple(labels.strings);
  }
}

py::object label_arrays(const std::vector<format::LabelsView>& outputs) {
  if (outputs.empty()) return py::none();
  if (outputs.size() == 1) return label_array(outputs.front());
  py::list all;
  for (const format::LabelsView& output : outputs) all.append(label_array(output));
  return all;
}

}  // namespace cordwood::bindings
