#include "cuda/stage_rows.hpp"

#include <cstring>

#include "format/view.hpp"

namespace cordwood::cuda {
namespace {

uint64_t item_bytes(const cordwood_rows& rows) noexcept {
  switch (rows.dtype) {
    case CORDWOOD_DTYPE_INT8:
    case CORDWOOD_DTYPE_UINT8:
    case CORDWOOD_DTYPE_INT16:
    case CORDWOOD_DTYPE_UINT16:
    case CORDWOOD_DTYPE_INT32:
    case CORDWOOD_DTYPE_UINT32:
    case CORDWOOD_DTYPE_INT64:
    case CORDWOOD_DTYPE_UINT64:
    case CORDWOOD_DTYPE_FLOAT32:
    case CORDWOOD_DTYPE_FLOAT64:
      return format::dtype_bits(rows.dtype) / 8;
    default:
      return 0;
  }
}

/// Copies `n_lines` lines of `count` items each, which lie `line_stride` and `item_stride` bytes apart.
void copy_lines(const char* from, int64_t line_stride, int64_t item_stride, uint64_t n_lines,
                uint64_t count, uint64_t item, std::byte* to) noexcept {
  const uint64_t line_bytes = count * item;
  if (item_stride == static_cast<int64_t>(item) &&
      (line_stride == static_cast<int64_t>(line_bytes) || n_lines == 1)) {
    std::memcpy(to, from, n_lines * line_bytes);
    return;
  }
  for (uint64_t line = 0; line < n_lines; ++line, from += line_stride, to += line_bytes) {
    if (item_stride == static_cast<int64_t>(item)) {
      std::memcpy(to, from, line_bytes);
      continue;
    }
    const char* at = from;
    for (uint64_t i = 0; i < count; ++i, at += item_stride) std::memcpy(to + i * item, at, item);
  }
}

}  // namespace

uint64_t packed_bytes(const cordwood_rows& rows, uint64_t n_rows) noexcept {
  return n_rows * rows.n_features * item_bytes(rows);
}

DeviceRows pack_rows(const cordwood_rows& rows, uint64_t first, uint64_t n_rows, std::byte* to,
                     const std::byte* there) noexcept {
  const uint64_t item = item_bytes(rows);
  const auto* from =
      static_cast<const char*>(rows.data) + static_cast<int64_t>(first) * rows.row_stride;
  const bool by_column = rows.row_stride == static_cast<int64_t>(item) &&
                         rows.column_stride != static_cast<int64_t>(item);
  DeviceRows packed{.data = there,
                    .row_stride = static_cast<int64_t>(rows.n_features * item),
                    .column_stride = static_cast<int64_t>(item),
                    .n_rows = n_rows,
                    .n_features = rows.n_features,
                    .dtype = rows.dtype};
  if (by_column) {
    packed.row_stride = static_cast<int64_t>(item);
    packed.column_stride = static_cast<int64_t>(n_rows * item);
    copy_lines(from, rows.column_stride, rows.row_stride, rows.n_features, n_rows, item, to);
  } else {
    copy_lines(from, rows.row_stride, rows.column_stride, n_rows, rows.n_features, item, to);
  }
  return packed;
}

}  // namespace cordwood::cuda
