// A caller's rows of the host, packed for one copy to the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/device_rows.hpp"
#include "runtime/backend.h"

namespace cordwood::cuda {

/// Bytes of `n_rows` rows once they are packed; 0 where their type is none that rows may have.
[[nodiscard]] uint64_t packed_bytes(const cordwood_rows& rows, uint64_t n_rows) noexcept;

/// Packs rows `first` to `first + n_rows` - 1 to `to`, and says how they lie at `there`, the same bytes on
/// the device. Rows whose columns lie apart stay so; all others become C-ordered.
DeviceRows pack_rows(const cordwood_rows& rows, uint64_t first, uint64_t n_rows, std::byte* to,
                     const std::byte* there) noexcept;

}  // namespace cordwood::cuda
