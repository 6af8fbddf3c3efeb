// Images inside a run: (batch, plane, row, position, channel), channels last, or as callers hold them,
// channels first.
#pragma once

#include <array>
#include <cstdint>

#include "format/net_operators.h"

namespace cordwood::runtime {

/// One number for each space axis; shorter ranks lead with axes of size 1.
using Space = std::array<uint64_t, CORDWOOD_MAX_SPACE>;

constexpr uint64_t count(const Space& space) noexcept {
  return space[0] * space[1] * space[2];
}

/// What a zero point of int8 is more as a byte.
inline constexpr int32_t kSignedZero = 128;

/// What numbers of an image are. Convolutions read uint8: codes of int8 are the same as bytes, 128 more,
/// as is their zero point.
enum class ImageKind : uint32_t { float32, uint8, int8 };

/// Positions around an image, by space axis, that hold its zero.
struct Border {
  std::array<uint8_t, CORDWOOD_MAX_SPACE> before{};
  std::array<uint8_t, CORDWOOD_MAX_SPACE> after{};

  [[nodiscard]] bool operator==(const Border&) const noexcept = default;
  [[nodiscard]] bool any() const noexcept { return *this != Border{}; }
  [[nodiscard]] uint64_t around(uint32_t axis) const noexcept {
    return uint64_t{before[axis]} + after[axis];
  }
};

/// Of each side at most: no image takes more than 17 ^ 3 times its bytes, and sums of bytes stay below 2^63.
inline constexpr uint64_t kMostBorder = 8;

/// A batch of images. Distances are in numbers; those of channels-first images, which are packed, are
/// not looked at.
struct Images {
  void* data = nullptr;
  ImageKind kind = ImageKind::float32;
  bool channels_first = false;  ///< float32 only
  uint64_t row_stride = 0;
  uint64_t plane_stride = 0;
  uint64_t image_stride = 0;
  float scale = 0.0f;  ///< of codes
  int32_t zero = 0;    ///< of codes, of their type
};

/// The distances of images without gaps.
constexpr void pack(Images& images, const Space& size, uint64_t channels) noexcept {
  images.row_stride = size[2] * channels;
  images.plane_stride = size[1] * images.row_stride;
  images.image_stride = size[0] * images.plane_stride;
}

}  // namespace cordwood::runtime
