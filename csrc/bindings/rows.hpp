// NumPy arrays as rows, read in place, and fresh arrays for answers, without a detour over Python.
#pragma once

#include <pybind11/numpy.h>

#include "runtime/backend.h"

namespace cordwood::bindings {

/// Describes a two-dimensional array of a number type in native byte order, aligned, of any strides.
/// False for every other object: Python's door then makes an array of it or says what is wrong.
bool read_rows(PyObject* object, cordwood_rows& rows) noexcept;

/// The format's dtype for a NumPy type number; 0 where rows of it are not read in place.
uint8_t row_dtype(int type_num) noexcept;

/// NumPy's number of a type that answers may have; -1 for any other.
int numpy_type(uint8_t dtype) noexcept;

/// An uninitialised C-ordered array; a null reference with a Python error set where memory is short.
/// `type` is a new reference to a dtype and is consumed.
PyObject* new_array(PyObject* type, int rank, const Py_intptr_t* shape) noexcept;

inline void* array_data(PyObject* array) noexcept {
  return pybind11::detail::array_proxy(array)->data;
}

}  // namespace cordwood::bindings
