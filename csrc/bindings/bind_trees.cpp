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
#include "plan/tree_range.hpp"
#include "runtime/memory.hpp"
#include "runtime/tree_binning.hpp"
#include "runtime/tree_operator.hpp"

namespace cordwood::bindings {
namespace {

namespace py = pybind11;
using runtime::EngineChoice;

EngineChoice choice_of(std::string_view engine) {
  if (engine == "slice") return EngineChoice::kSlice;
  if (engine == "walk") return EngineChoice::kWalk;
  if (engine == "fastest") return EngineChoice::kFastest;
  throw_status(fail(CORDWOOD_STATUS_output_not_available, "engine",
                    "expected \"slice\", \"walk\", \"fastest\" or \"binned\""));
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

format::TreeArrays read_trees(const py::bytes& data) {
  const std::string_view text = data;
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto file = format::validate(bytes, format::CheckLevel::all);
  require(file.status());
  auto arrays = format::expand_trees(*file, plan::last_trees(*file));
  require(arrays.status());
  return std::move(*arrays);
}

runtime::RowsView view_of(const py::array& X) {
  cordwood_rows given;
  if (!read_rows(X.ptr(), given)) {
    throw_status(fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
                      "expected a two-dimensional array of numbers"));
  }
  return runtime::RowsView::of(given);
}

/// The trees by an engine that is named, or for rows of bins by "binned".
runtime::TreeOperator prepare(format::TreeArrays&& arrays, const runtime::KernelRow& kernels,
                              std::string_view engine) {
  if (engine != "binned") {
    auto trees = runtime::TreeOperator::prepare(std::move(arrays), kernels, choice_of(engine));
    require(trees.status());
    return std::move(*trees);
  }
  const auto binning = runtime::TreeBinning::plan(arrays, kernels);
  require(binning.status());
  auto trees = runtime::TreeOperator::prepare_binned(std::move(arrays), binning->form(), kernels);
  require(trees.status());
  return std::move(*trees);
}

py::array bin_trees(const py::bytes& data, const py::array& X, std::string_view isa) {
  const auto binning = runtime::TreeBinning::plan(read_trees(data), kernel_row(isa));
  require(binning.status());
  const auto n_rows = X.shape(0);
  const auto n_columns = static_cast<py::ssize_t>(binning->form().n_columns());
  const bool by_column = binning->form().bin_bytes() == 1;
  py::array out = by_column ? py::array(py::array_t<uint8_t>({n_columns, n_rows}))
                            : py::array(py::array_t<uint16_t>({n_rows, n_columns}));
  const auto step = static_cast<uint64_t>(by_column ? n_rows : 2 * n_columns);
  runtime::Arena scratch;
  require(scratch.reserve(binning->scratch_bytes()));
  void* at = out.mutable_data();
  require(binning->bin(view_of(X),
                       by_column ? runtime::BinGrid{at, 1, step} : runtime::BinGrid{at, step, 2},
                       scratch.bytes()));
  return by_column ? py::array(out.attr("T")) : out;
}

py::array run_trees(const py::bytes& data, const py::array& X, std::string_view isa,
                    std::string_view engine, bool leaves, const py::object& start) {
  const runtime::TreeOperator trees = prepare(read_trees(data), kernel_row(isa), engine);
  const auto rows = view_of(X);
  py::array out = new_answer(trees, leaves, X.shape(0));
  runtime::Arena scratch;
  require(scratch.reserve(trees.scratch_bytes(rows.n_rows)));
  require(leaves ? trees.leaves(rows, static_cast<int32_t*>(out.mutable_data()), scratch.bytes())
                 : trees.margin(rows, start_of(start, out), out.mutable_data(), scratch.bytes()));
  return out;
}

}  // namespace

void register_trees(py::module_& m) {
  m.def(
      "run_trees", &run_trees, py::arg("data"), py::arg("X"), py::kw_only(), py::arg("isa"),
      py::arg("engine") = "fastest", py::arg("leaves") = false, py::arg("start") = py::none(),
      "Margins, or leaf numbers, of a file's last trees by one instruction set and engine; by the "
      "engine \"binned\" of rows that bin_trees made.");
  m.def("bin_trees", &bin_trees, py::arg("data"), py::arg("X"), py::kw_only(), py::arg("isa"),
        "Rows as bins of a file's last trees, [n_rows, n_columns], by one instruction set.");
}

}  // namespace cordwood::bindings
