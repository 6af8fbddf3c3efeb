// One method of a model as a Python builtin: rows in, array out, as few steps between as can be.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string_view>

#include "bindings/unlocked.hpp"
#include "format/view.hpp"
#include "runtime/backends.hpp"

namespace cordwood::bindings {

struct Method {
  std::shared_ptr<const runtime::DeviceModel> model;
  cordwood_target target;
  cordwood_answer answer;
  bool flat;  ///< the answer is (n_rows,) where it has one column
  unsigned threads;
  pybind11::object prepare;    ///< makes rows of whatever cannot be read in place, or raises
  pybind11::object labels;     ///< 1-D array that class indices pick from, or None
  pybind11::object finish;     ///< makes what the caller gets of the array, or None
  pybind11::object options;    ///< takes calls with more than X, or None where X is all there is
  pybind11::object elsewhere;  ///< answers rows that `prepare` gave back as they came, or None
};

/// Scratch of this thread on every device, shared by all models it calls.
runtime::DeviceContexts& thread_contexts() noexcept;

/// A file that the door let in, and how a device takes it.
struct LoadCall {
  const runtime::Device& device;
  const format::FileView& file;
  const cordwood_tree_range* trees = nullptr;  ///< null for all of them
  bool binned = false;
};

/// Loads a model, and releases it once its last owner goes, without the interpreter's lock: a device may
/// first finish what other threads gave it. Raises on failure.
std::shared_ptr<const runtime::DeviceModel> load_unlocked(const LoadCall& call);

/// A builtin function of X, fast where it stands alone. `name` must be one of the names that scikit-learn uses.
pybind11::object make_method(std::string_view name, Method&& method);

/// Rows of the host's memory, and the memory that their answer goes to.
struct IntoCall {
  const runtime::DeviceModel& model;
  cordwood_rows rows;
  cordwood_target target;
  unsigned threads;
  void* out;  ///< C-ordered [n_rows, columns of the target]
};

void run_into(const IntoCall& call);

/// One stage of a model that was loaded with stages.
struct StageCall {
  const runtime::DeviceModel& model;
  cordwood_rows rows;
  cordwood_target target;
  unsigned threads;
  uint64_t stage;
  void* margin;  ///< in the form of the target MARGIN; changed in place
};

/// A fresh array, C-ordered [n_rows, columns of the target].
pybind11::object run_one_stage(const StageCall& call);

/// Rows in a device's memory, and where their answer goes there.
struct ThereCall {
  const runtime::DeviceModel& model;
  cordwood_rows rows;
  cordwood_target target;
  void* out;  ///< C-ordered [n_rows, columns of the target]
  uint64_t stream;
};

void run_there(const ThereCall& call);

/// Bins rows, dense or sparse, for a model that was loaded for rows of bins: [n_columns, n_rows] of
/// uint8, or [n_rows, n_columns] of uint16.
pybind11::object bin_rows(const runtime::DeviceModel& model, const pybind11::object& x,
                          unsigned threads);

}  // namespace cordwood::bindings
