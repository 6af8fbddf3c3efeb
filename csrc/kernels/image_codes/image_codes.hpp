// image_codes: consecutive float32 activations to unsigned bytes, all by one scale
// (docs/quantization.md, activations). int8 codes are kept as bytes, 128 more (conv.hpp).
#pragma once

#include <cstdint>

namespace cordwood::kernels {

struct ImageCodes {
  const float* x;
  uint8_t* codes;
  uint64_t n;
  float factor;  ///< code = rint(x * factor), cut to least and most, plus zero
  float least;   ///< whole numbers, as most
  float most;
  int32_t zero;
};

/// Returns the largest magnitude; infinity where a value is NaN or infinite.
using ImageTopF32 = float (*)(const float* x, uint64_t n) noexcept;
using ImageCodesF32 = void (*)(const ImageCodes& task) noexcept;

namespace scalar {
float image_top_f32(const float* x, uint64_t n) noexcept;
void image_codes_f32(const ImageCodes& task) noexcept;
}  // namespace scalar
namespace avx2 {
float image_top_f32(const float* x, uint64_t n) noexcept;
void image_codes_f32(const ImageCodes& task) noexcept;
}  // namespace avx2
namespace avx512 {
float image_top_f32(const float* x, uint64_t n) noexcept;
void image_codes_f32(const ImageCodes& task) noexcept;
}  // namespace avx512
namespace neon {
float image_top_f32(const float* x, uint64_t n) noexcept;
void image_codes_f32(const ImageCodes& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
