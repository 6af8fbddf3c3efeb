// The extension module `cordwood._core`: each room registers what Python may see of it.
#include <pybind11/pybind11.h>

#include "bindings/rooms.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The native half of cordwood.";
  m.attr("__version__") = CORDWOOD_VERSION;
  cordwood::bindings::register_attention(m);
  cordwood::bindings::register_encode(m);
  cordwood::bindings::register_floats(m);
  cordwood::bindings::register_format(m);
  cordwood::bindings::register_images(m);
  cordwood::bindings::register_kernels(m);
  cordwood::bindings::register_masks(m);
  cordwood::bindings::register_model(m);
  cordwood::bindings::register_nets(m);
  cordwood::bindings::register_pools(m);
  cordwood::bindings::register_products(m);
  cordwood::bindings::register_sparse(m);
  cordwood::bindings::register_trees(m);
  cordwood::bindings::register_weights(m);
}
