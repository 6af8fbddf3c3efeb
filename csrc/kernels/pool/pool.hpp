// pool: windows of channels-last images to their maximum or their mean (docs/graph.md, 35). Lanes are
// channels. A task is one row of the answer; padding is not stored, windows are cut to the image.
//
// A maximum is the first of equal ones, so that the sign of a zero is settled; NaN where there is any; of
// nothing -infinity, of codes 0. A sum adds in C order from +0. A NaN has a clear sign and no payload.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// One axis of windows. Axes are planes, rows, positions.
struct PoolAxis {
  uint32_t size;  ///< of the image
  uint32_t kernel;
  uint32_t stride;
  uint32_t dilation;
  uint32_t before;  ///< padding
};

struct PoolWindows {
  PoolAxis axes[3];
  uint64_t row_stride;    ///< in numbers, from row to row of the image
  uint64_t plane_stride;  ///< from plane to plane
  uint32_t n_channels;
  uint32_t plane;  ///< of the answer
  uint32_t row;    ///< of the answer
  uint32_t n_positions;
};

struct PoolF32 {
  const float* x;  ///< [plane][row][position][channel]
  float* out;      ///< [position][channel] of the row
  PoolWindows windows;
  float divisor;  ///< of a mean; 0: the number of positions that are met
};

struct PoolU8 {
  const uint8_t* x;
  uint8_t* out;
  PoolWindows windows;
};

using PoolF32Kernel = void (*)(const PoolF32& task) noexcept;
using PoolU8Kernel = void (*)(const PoolU8& task) noexcept;

namespace scalar {
void pool_max_f32(const PoolF32& task) noexcept;
void pool_mean_f32(const PoolF32& task) noexcept;
void pool_max_u8(const PoolU8& task) noexcept;
}  // namespace scalar
namespace avx2 {
void pool_max_f32(const PoolF32& task) noexcept;
void pool_mean_f32(const PoolF32& task) noexcept;
void pool_max_u8(const PoolU8& task) noexcept;
}  // namespace avx2
namespace avx512 {
void pool_max_f32(const PoolF32& task) noexcept;
void pool_mean_f32(const PoolF32& task) noexcept;
void pool_max_u8(const PoolU8& task) noexcept;
}  // namespace avx512
namespace neon {
void pool_max_f32(const PoolF32& task) noexcept;
void pool_mean_f32(const PoolF32& task) noexcept;
void pool_max_u8(const PoolU8& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
