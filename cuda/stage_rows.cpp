#include "cuda/stage_rows.hpp"

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

}  // namespace

uint64_t packed_bytes(const cordwood_rows& rows, uint64_t n_rows) noexcept {
  return n_rows * rows.n_features * item_bytes(rows);
}

StagedRows stage_rows(const cordwood_rows& rows, uint64_t first, uint64_t n_rows,
                      const std::byte* there) noexcept {
  const uint64_t item = item_bytes(rows);
  const auto dense = static_cast<int64_t>(item);
  StagedRows staged{.here = static_cast<const std::byte*>(rows.data) +
                            static_cast<int64_t>(first) * rows.row_stride,
                    .form = {.line_stride = rows.row_stride,
                             .item_stride = rows.column_stride,
                             .n_lines = n_rows,
                             .n_items = rows.n_features,
                             .item_bytes = item},
                    .there = {.data = there,
                              .row_stride = static_cast<int64_t>(rows.n_features * item),
                              .column_stride = dense,
                              .n_rows = n_rows,
                              .n_features = rows.n_features,
                              .dtype = rows.dtype}};
  if (rows.row_stride == dense && rows.column_stride != dense) {
    staged.form.line_stride = rows.column_stride;
    staged.form.item_stride = dense;
    staged.form.n_lines = rows.n_features;
    staged.form.n_items = n_rows;
    staged.there.row_stride = dense;
    staged.there.column_stride = static_cast<int64_t>(n_rows * item);
  }
  return staged;
}

}  // namespace cordwood::cuda
