// A caller's rows of the host: how they lie there, and how they will lie packed on the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/device_rows.hpp"
#include "cuda/host_lines.hpp"
#include "runtime/backend.h"

namespace cordwood::cuda {

/// Some rows of a batch. Rows whose columns lie apart stay so; all others become C-ordered.
struct StagedRows {
  const std::byte* here = nullptr;  ///< the first value
  LineForm form{};
  DeviceRows there{};
};

/// Bytes of `n_rows` rows once they are packed; 0 where their type is none that rows may have.
[[nodiscard]] uint64_t packed_bytes(const cordwood_rows& rows, uint64_t n_rows) noexcept;

/// Rows `first` to `first + n_rows` - 1, which go to `there` on the device.
[[nodiscard]] StagedRows stage_rows(const cordwood_rows& rows, uint64_t first, uint64_t n_rows,
                                    const std::byte* there) noexcept;

}  // namespace cordwood::cuda
