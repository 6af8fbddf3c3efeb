// A caller's rows as they lie in memory: any number type, any strides, nothing copied.
#pragma once

#include <cstdint>

#include "runtime/backend.h"

namespace cordwood::runtime {

struct RowsView {
  const void* data = nullptr;
  uint8_t dtype = 0;          ///< enum cordwood_dtype; bool rows are UINT8
  int64_t row_stride = 0;     ///< bytes
  int64_t column_stride = 0;  ///< bytes
  uint64_t n_rows = 0;
  uint32_t n_features = 0;
  uint64_t first_row = 0;  ///< number of the first row in the caller's batch, for messages

  /// The same rows as they come through a device's table.
  [[nodiscard]] static RowsView of(const cordwood_rows& rows) noexcept {
    return {.data = rows.data,
            .dtype = rows.dtype,
            .row_stride = rows.row_stride,
            .column_stride = rows.column_stride,
            .n_rows = rows.n_rows,
            .n_features = rows.n_features,
            .first_row = rows.first_row};
  }

  /// The same columns, rows [first, first + count).
  [[nodiscard]] RowsView slice(uint64_t first, uint64_t count) const noexcept {
    RowsView part = *this;
    part.data = static_cast<const char*>(data) + static_cast<int64_t>(first) * row_stride;
    part.n_rows = count;
    part.first_row = first_row + first;
    return part;
  }
};

}  // namespace cordwood::runtime
