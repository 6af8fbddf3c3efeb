// A loaded net as Python sees it: what it reads and writes, and the builtin that answers a call.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/backends.hpp"

namespace cordwood::bindings {

/// An input or output as its file declares it.
struct Port {
  std::string name;
  pybind11::dtype dtype;
  uint8_t dtype_code = 0;
  pybind11::tuple shape;  ///< sizes, or None where they vary
  pybind11::tuple most;   ///< largest sizes, or None where there is no bound
};

struct LoadedNet {
  std::shared_ptr<const runtime::DeviceModel> model;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  std::size_t n_operators = 0;
  pybind11::object classes;  ///< labels of the first output's columns, or None
  pybind11::str provenance;
};

/// How answers reach the caller.
enum class AnswerForm : uint8_t { single, tuple, dict };

/// What a call needs besides its inputs.
struct NetCall {
  pybind11::object owner;  ///< keeps `net`
  const LoadedNet* net;
  pybind11::object order;    ///< order(positions, names): one input for each place, or it raises
  pybind11::object prepare;  ///< prepare(given, place): an array of what cannot be read in place
  pybind11::tuple names;     ///< of the outputs
  AnswerForm form;
  unsigned threads;
  pybind11::object times;  ///< keeps `seconds`; None where no times are asked for
  double* seconds;         ///< [operator] that calls add to, or null
};

/// A builtin function of the inputs, fast where they are given in order and NumPy holds them ready.
pybind11::object make_net_call(NetCall&& call);

}  // namespace cordwood::bindings
