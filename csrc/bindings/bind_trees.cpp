// The tree operator by instruction set and engine: what the tests hold against each other.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string_view>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "bindings/rooms.hpp"
#include "bindings/rows.hpp"
#include "format/view.hpp"
#include "runtime/memory.hpp"
#include "runtime/tree_operator.hpp"
#include "runtime/tree_range.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::EngineChoice;

EngineChoice choice_of(std::string_view engine) {
  if (engine == "slice") return EngineChoice::kSlice;
  if (engine == "walk") return EngineChoice::kWalk;
  if (engine == "fastest") return EngineChoice::kFastest;
  throw_status(fail(CORDWOOD_STATUS_output_not_available, "engine",
                    "expected \"slice\", \"walk\" or \"fastest\""));
}

void require(const Status& status) {
  if (!status.ok()) throw_status(status);
}

py::array new_answer(const runtime::TreeOperator& trees, bool leaves, py::ssize_t n_rows) {
  const cordwood_tree_attributes& about = trees.attributes();
  if (leaves) return py::array_t<int32_t>({n_rows, static_cast<py::ssize_t>(about.n_trees)});
  const auto columns = static_cast<py::ssize_t>(about.n_outputs);
  if (about.accumulate_type == CORDWOOD_DTYPE_FLOAT32) return py::array_t<float>({n_rows, columns});
  return py::array_t<double>({n_rows, columns});
}

/// The sums to start from, of the form of the answer; null for None.
const void* start_of(const py::object& start, const py::array& answer) {
  if (start.is_none()) return nullptr;
  const auto given = py::cast<py::array>(start);
  if (!given.dtype().is(answer.dtype()) || given.ndim() != 2 || given.shape(0) != answer.shape(0) ||
      given.shape(1) != answer.shape(1) || (given.flags() & py::array::c_style) == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "start",
                      "expected C-ordered sums of the type and shape of the margins"));
  }
  return given.data();
}

py::array run_trees(const py::bytes& data, const py::array& X, std::string_view isa,
                    std::string_view engine, bool leaves, const py::object& start) {
  const std::string_view text = data;
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto file = format::validate(bytes, format::CheckLevel::all);
  require(file.status());
  auto arrays = format::expand_trees(*file, runtime::last_trees(*file));
  require(arrays.status());
  auto trees =
      runtime::TreeOperator::prepare(std::move(*arrays), kernel_row(isa), choice_of(engine));
  require(trees.status());
  cordwood_rows given;
  if (!read_rows(X.ptr(), given)) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
                      "expected a two-dimensional array of numbers"));
  }
  const auto rows = runtime::RowsView::of(given);
  py::array out = new_answer(*trees, leaves, X.shape(0));
  runtime::Arena scratch;
  require(scratch.reserve(trees->scratch_bytes(rows.n_rows)));
  require(leaves ? trees->leaves(rows, static_cast<int32_t*>(out.mutable_data()), scratch.bytes())
                 : trees->margin(rows, start_of(start, out), out.mutable_data(), scratch.bytes()));
  return out;
}

}  // namespace

void register_trees(py::module_& m) {
  m.def("run_trees", &run_trees, py::arg("data"), py::arg("X"), py::kw_only(), py::arg("isa"),
        py::arg("engine") = "fastest", py::arg("leaves") = false, py::arg("start") = py::none(),
        "Margins, or leaf numbers, of a file's last trees by one instruction set and engine.");
}

}  // namespace cordwood::bindings
