// Pruning masks of float32 scores, written into an array of the caller.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <string_view>

#include "bindings/errors.hpp"
#include "bindings/kernel_row.hpp"
#include "bindings/rooms.hpp"
#include "bindings/unlocked.hpp"
#include "runtime/mask.hpp"
#include "runtime/thread_limits.hpp"

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

using Scores = py::array_t<float>;
using Mask = py::array_t<bool>;

/// The matrix of scores; raises unless it is C-ordered, of two dimensions, neither of them 0.
runtime::MaskScores read_scores(const Scores& scores, bool is_signed) {
  if (scores.ndim() != 2 || scores.size() == 0 || (scores.flags() & py::array::c_style) == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "mask",
                      "expected C-ordered scores of 2 dimensions, neither of them 0"));
  }
  return {scores.data(), static_cast<uint64_t>(scores.shape(0)),
          static_cast<uint64_t>(scores.shape(1)), is_signed};
}

uint8_t* read_mask(Mask& mask, const Scores& scores) {
  const bool fits = mask.ndim() == 2 && mask.shape(0) == scores.shape(0) &&
                    mask.shape(1) == scores.shape(1) && mask.writeable() &&
                    (mask.flags() & py::array::c_style) != 0;
  if (!fits) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "mask",
                      "expected a writable C-ordered mask of the scores' shape"));
  }
  return reinterpret_cast<uint8_t*>(mask.mutable_data());
}

/// Kernels of a named instruction set, or of the process's own where `isa` is empty.
runtime::MaskRun make_run(unsigned threads, std::string_view isa) {
  const Result<unsigned> resolved = runtime::resolve_threads(threads);
  throw_unless_ok(resolved.status());
  if (!isa.empty()) return {*kernel_row(isa).arrays, *resolved};
  const Result<const runtime::KernelRow*> row = runtime::active_row();
  throw_unless_ok(row.status());
  return {*(*row)->arrays, *resolved};
}

void mask_groups(const Scores& scores, Mask mask, uint32_t keep, uint32_t of, bool is_signed,
                 unsigned threads, std::string_view isa) {
  const runtime::MaskScores view = read_scores(scores, is_signed);
  uint8_t* out = read_mask(mask, scores);
  const runtime::MaskRun run = make_run(threads, isa);
  if (keep < 1 || keep > of || of > kernels::kPruneGroupMax) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "mask",
                      "{} of {} cannot be kept; expected 1 to all of at most {}", keep, of,
                      kernels::kPruneGroupMax));
  }
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::mask_groups(view, keep, of, out, run);
  }();
  throw_unless_ok(status);
}

void mask_top(const Scores& scores, Mask mask, uint64_t keep, bool whole, bool is_signed,
              unsigned threads, std::string_view isa) {
  const runtime::MaskScores view = read_scores(scores, is_signed);
  uint8_t* out = read_mask(mask, scores);
  const runtime::MaskRun run = make_run(threads, isa);
  // Scratch of this thread, kept warm: getting its pages anew takes as long as a quarter of the work.
  thread_local runtime::MaskContext context;
  const uint64_t most = whole ? view.size() : view.n_inputs;
  if (keep > most) {
    throw_status(
        fail(CORDWOOD_STATUS_shape_mismatch, "mask", "{} of {} cannot be kept", keep, most));
  }
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::mask_top(context, view, keep, whole, out, run);
  }();
  throw_unless_ok(status);
}

Scores mask_sums(const Scores& scores, uint64_t block_rows, uint64_t block_inputs, bool is_signed,
                 unsigned threads, std::string_view isa) {
  const runtime::MaskScores view = read_scores(scores, is_signed);
  const runtime::MaskRun run = make_run(threads, isa);
  if (block_rows == 0 || block_inputs == 0) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "mask", "a block of {} x {} is empty",
                      block_rows, block_inputs));
  }
  // A block larger than the matrix holds what the matrix holds.
  const uint64_t rows = std::min(block_rows, view.n_rows);
  const uint64_t inputs = std::min(block_inputs, view.n_inputs);
  Scores sums({static_cast<py::ssize_t>((view.n_rows + rows - 1) / rows),
               static_cast<py::ssize_t>((view.n_inputs + inputs - 1) / inputs)});
  float* out = sums.mutable_data();
  const Status status = [&] {
    const Unlocked unlocked;
    return runtime::mask_sums(view, rows, inputs, out, run);
  }();
  throw_unless_ok(status);
  return sums;
}

}  // namespace

void register_masks(py::module_& m) {
  m.def("mask_groups", &mask_groups, py::arg("scores").noconvert(), py::arg("mask").noconvert(),
        py::kw_only(), py::arg("keep"), py::arg("of"), py::arg("signed"), py::arg("threads") = 0,
        py::arg("isa") = "", "Keep the best of every few neighbours of a row.");
  m.def("mask_top", &mask_top, py::arg("scores").noconvert(), py::arg("mask").noconvert(),
        py::kw_only(), py::arg("keep"), py::arg("whole") = false, py::arg("signed"),
        py::arg("threads") = 0, py::arg("isa") = "",
        "Keep the best of every row, or of the whole matrix.");
  m.def("mask_sums", &mask_sums, py::arg("scores").noconvert(), py::kw_only(),
        py::arg("block_rows"), py::arg("block_inputs"), py::arg("signed"), py::arg("threads") = 0,
        py::arg("isa") = "", "Sum the scores of each block.");
}

}  // namespace cordwood::bindings
