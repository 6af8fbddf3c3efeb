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

/// What int8 zero points are as bytes.
inline constexpr int32_t kSignedZero = 128;

enum class ImageKind : uint32_t {
  float32,
  uint8,        ///< codes with a zero point
  int8,         ///< codes without
  shifted_int8  ///< codes of int8, 128 more, as bytes: what convolutions read
};

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
  int32_t zero = 0;    ///< of uint8
};

/// The distances of images without gaps.
constexpr void pack(Images& images, const Space& size, uint64_t channels) noexcept {
  images.row_stride = size[2] * channels;
  images.plane_stride = size[1] * images.row_stride;
  images.image_stride = size[0] * images.plane_stride;
}

/// The byte that stands for zero, and the least and largest byte that stands for a number.
struct CodeRange {
  int32_t zero;
  int32_t least;
  int32_t most;
};

constexpr CodeRange code_range(const Images& images) noexcept {
  switch (images.kind) {
    case ImageKind::int8:
      return {0, -127, 127};
    case ImageKind::shifted_int8:
      return {kSignedZero, 1, 255};
    default:
      return {images.zero, 0, 255};
  }
}

}  // namespace cordwood::runtime
