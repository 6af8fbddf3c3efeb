// A caller's rows where the device reads them: any number type, any strides.
#pragma once

#include <cstdint>

namespace cordwood::cuda {

struct DeviceRows {
  const void* data = nullptr;
  int64_t row_stride = 0;     ///< bytes
  int64_t column_stride = 0;  ///< bytes
  uint64_t n_rows = 0;
  uint32_t n_features = 0;
  uint8_t dtype = 0;  ///< enum cordwood_dtype; bool rows are UINT8
};

}  // namespace cordwood::cuda
