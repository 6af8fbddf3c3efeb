#include "bindings/sparse_rows.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "bindings/rows.hpp"
#include "format/view.hpp"

namespace cordwood::bindings {
namespace {

constexpr uint64_t kBlockBytes = 4u << 20;
/// A multiple of every kernel's block; large blocks end on it.
constexpr uint64_t kRowGrain = 512;

/// Stores the entries of the block's rows, or in their places again what an absent entry means.
template <class T>
void store(const SparseView& view, uint64_t first, uint64_t count, T* block, bool absent) noexcept {
  const T nothing = view.absent_is_missing ? std::numeric_limits<T>::quiet_NaN() : T{};
  const auto* values = reinterpret_cast<const T*>(view.values);
  for (uint64_t row = 0; row < count; ++row, block += view.n_features) {
    for (int64_t entry = view.starts[first + row]; entry < view.starts[first + row + 1]; ++entry) {
      block[view.columns[entry]] = absent ? nothing : values[entry];
    }
  }
}

const void* data_of(PyObject* array) noexcept {
  return pybind11::detail::array_proxy(array)->data;
}

}  // namespace

uint64_t SparseView::block_rows() const noexcept {
  const uint64_t row_bytes = std::max<uint64_t>(uint64_t{n_features} * item_bytes, 1);
  uint64_t rows = std::max<uint64_t>(kBlockBytes / row_bytes, 1);
  if (rows > kRowGrain) rows -= rows % kRowGrain;
  return std::min(rows, n_rows);
}

bool read_sparse(PyObject* object, SparseView& view) noexcept {
  constexpr Py_ssize_t kParts = 5;
  if (!PyTuple_Check(object) || PyTuple_GET_SIZE(object) != kParts) return false;
  PyObject* const starts = PyTuple_GET_ITEM(object, 0);
  PyObject* const values = PyTuple_GET_ITEM(object, 2);
  const auto* value_array = pybind11::detail::array_proxy(values);
  const auto* type = pybind11::detail::array_descriptor_proxy(value_array->descr);
  view.dtype = row_dtype(type->type_num);
  if (view.dtype == 0) return false;
  view.starts = static_cast<const int64_t*>(data_of(starts));
  view.columns = static_cast<const int32_t*>(data_of(PyTuple_GET_ITEM(object, 1)));
  view.values = static_cast<const std::byte*>(data_of(values));
  view.n_rows = static_cast<uint64_t>(pybind11::detail::array_proxy(starts)->dimensions[0]) - 1;
  view.n_features = static_cast<uint32_t>(PyLong_AsLong(PyTuple_GET_ITEM(object, 3)));
  view.item_bytes = static_cast<uint32_t>(format::dtype_bits(view.dtype) / 8);
  view.absent_is_missing = PyTuple_GET_ITEM(object, 4) == Py_True;
  return true;
}

SparseBlocks::SparseBlocks(const SparseView& view, std::span<std::byte> memory) noexcept
    : view_(view), memory_(memory.data()) {
  const std::size_t bytes = view.block_bytes();
  if (!view.absent_is_missing) {
    std::memset(memory_, 0, bytes);
  } else if (view.dtype == CORDWOOD_DTYPE_FLOAT32) {
    std::fill_n(reinterpret_cast<float*>(memory_), bytes / sizeof(float),
                std::numeric_limits<float>::quiet_NaN());
  } else {
    std::fill_n(reinterpret_cast<double*>(memory_), bytes / sizeof(double),
                std::numeric_limits<double>::quiet_NaN());
  }
}

cordwood_rows SparseBlocks::at(uint64_t first) noexcept {
  write(true);
  first_ = first;
  count_ = std::min(view_.block_rows(), view_.n_rows - first);
  write(false);
  return {.data = memory_,
          .row_stride = static_cast<int64_t>(uint64_t{view_.n_features} * view_.item_bytes),
          .column_stride = view_.item_bytes,
          .n_rows = count_,
          .first_row = first,
          .n_features = view_.n_features,
          .dtype = view_.dtype,
          .reserved = {}};
}

void SparseBlocks::write(bool absent) noexcept {
  const auto as = [&]<class T>(T) {
    store(view_, first_, count_, reinterpret_cast<T*>(memory_), absent);
  };
  switch (view_.dtype) {
    case CORDWOOD_DTYPE_FLOAT32:
      return as(float{});
    case CORDWOOD_DTYPE_FLOAT64:
      return as(double{});
    default:
      break;
  }
  // Integers are moved by their width: the type matters only to whoever reads the rows.
  switch (view_.item_bytes) {
    case 1:
      return as(uint8_t{});
    case 2:
      return as(uint16_t{});
    case 4:
      return as(uint32_t{});
    default:
      return as(uint64_t{});
  }
}

}  // namespace cordwood::bindings
