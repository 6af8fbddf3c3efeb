#include "bindings/rows.hpp"

#include "format/layout.h"

namespace cordwood::bindings {
namespace {

namespace numpy = pybind11::detail;
using Api = numpy::npy_api;

}  // namespace

uint8_t row_dtype(int type_num) noexcept {
  switch (type_num) {
    case Api::NPY_BOOL_:
    case Api::NPY_UINT8_:
      return CORDWOOD_DTYPE_UINT8;
    case Api::NPY_INT8_:
      return CORDWOOD_DTYPE_INT8;
    case Api::NPY_INT16_:
      return CORDWOOD_DTYPE_INT16;
    case Api::NPY_UINT16_:
      return CORDWOOD_DTYPE_UINT16;
    case Api::NPY_FLOAT_:
      return CORDWOOD_DTYPE_FLOAT32;
    case Api::NPY_DOUBLE_:
      return CORDWOOD_DTYPE_FLOAT64;
    // C's integers by their width here: two of them may be the same type with two numbers.
    case Api::NPY_INT_:
      return CORDWOOD_DTYPE_INT32;
    case Api::NPY_UINT_:
      return CORDWOOD_DTYPE_UINT32;
    case Api::NPY_LONG_:
      return sizeof(long) == 8 ? CORDWOOD_DTYPE_INT64 : CORDWOOD_DTYPE_INT32;
    case Api::NPY_ULONG_:
      return sizeof(long) == 8 ? CORDWOOD_DTYPE_UINT64 : CORDWOOD_DTYPE_UINT32;
    case Api::NPY_LONGLONG_:
      return CORDWOOD_DTYPE_INT64;
    case Api::NPY_ULONGLONG_:
      return CORDWOOD_DTYPE_UINT64;
    default:
      return 0;
  }
}

bool read_rows(PyObject* object, cordwood_rows& rows) noexcept {
  const Api& api = Api::get();
  if (Py_TYPE(object) != api.PyArray_Type_) return false;
  const numpy::PyArray_Proxy* array = numpy::array_proxy(object);
  const numpy::PyArrayDescr_Proxy* type = numpy::array_descriptor_proxy(array->descr);
  const uint8_t dtype = row_dtype(type->type_num);
  const bool native = type->byteorder == '=' || type->byteorder == '|';
  if (array->nd != 2 || dtype == 0 || !native || (array->flags & Api::NPY_ARRAY_ALIGNED_) == 0 ||
      array->dimensions[1] > INT32_MAX) {
    return false;
  }
  rows = {.data = array->data,
          .row_stride = array->strides[0],
          .column_stride = array->strides[1],
          .n_rows = static_cast<uint64_t>(array->dimensions[0]),
          .first_row = 0,
          .n_features = static_cast<uint32_t>(array->dimensions[1]),
          .dtype = dtype,
          .reserved = {}};
  return true;
}

int numpy_type(uint8_t dtype) noexcept {
  switch (dtype) {
    case CORDWOOD_DTYPE_INT32:
      return Api::NPY_INT32_;
    case CORDWOOD_DTYPE_INT64:
      return Api::NPY_INT64_;
    case CORDWOOD_DTYPE_FLOAT32:
      return Api::NPY_FLOAT_;
    case CORDWOOD_DTYPE_FLOAT64:
      return Api::NPY_DOUBLE_;
    default:
      return -1;
  }
}

PyObject* new_array(PyObject* type, int rank, const Py_intptr_t* shape) noexcept {
  const Api& api = Api::get();
  return api.PyArray_NewFromDescr_(api.PyArray_Type_, type, rank, shape, nullptr, nullptr, 0,
                                   nullptr);
}

}  // namespace cordwood::bindings
