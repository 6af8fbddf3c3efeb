// What each bind_<room>.cpp adds to the extension module.
#pragma once

#include <pybind11/pybind11.h>

namespace cordwood::bindings {

void register_attention(pybind11::module_& m);
void register_encode(pybind11::module_& m);
void register_floats(pybind11::module_& m);
void register_format(pybind11::module_& m);
void register_images(pybind11::module_& m);
void register_kernels(pybind11::module_& m);
void register_masks(pybind11::module_& m);
void register_model(pybind11::module_& m);
void register_nets(pybind11::module_& m);
void register_pools(pybind11::module_& m);
void register_products(pybind11::module_& m);
void register_sparse(pybind11::module_& m);
void register_trees(pybind11::module_& m);
void register_weights(pybind11::module_& m);

}  // namespace cordwood::bindings
