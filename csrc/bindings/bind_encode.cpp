// What only packing needs.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "bindings/errors.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "format/ranks.hpp"

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<const T> span_of(const Array<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

py::tuple encode_ranks(const Array<uint8_t>& is_inner, const Array<uint32_t>& column,
                       const Array<uint32_t>& rank, const Array<uint32_t>& column_size,
                       const Array<uint8_t>& column_ordered) {
  const format::RankedNodes nodes{span_of(is_inner), span_of(column), span_of(rank),
                                  span_of(column_size), span_of(column_ordered)};
  const Result<format::RankCode> code = [&] {
    const Unlocked unlocked;
    return format::encode_ranks(nodes);
  }();
  throw_unless_ok(code.status());
  const auto& nests = code->column_nests;
  return py::make_tuple(
      py::array_t<uint8_t>(static_cast<py::ssize_t>(nests.size()), nests.data()),
      py::bytes(reinterpret_cast<const char*>(code->bits.data()), code->bits.size()),
      code->bit_count);
}

}  // namespace

void register_encode(py::module_& module) {
  module.def("encode_ranks", &encode_ranks, py::arg("is_inner"), py::arg("column"), py::arg("rank"),
             py::arg("column_size"), py::arg("column_ordered"),
             "Which columns nest, and the ranks of all inner nodes as bits, with their number.");
}

}  // namespace cordwood::bindings
