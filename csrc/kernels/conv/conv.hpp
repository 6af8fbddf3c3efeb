// conv: windows of channels-last images times panels of weights (docs/kernels.md, convolutions).
//
// An image lies as [row][position][channel], with its border of padding around it, so that a window
// is a few *segments* of consecutive numbers at fixed distances from its first one: where kernel
// positions along the last axis touch, a segment is a whole row of the kernel, else one position.
// Windows of neighbouring outputs lie a fixed stride apart. Nothing is copied or looked up.
//
//     codes    [panel][segment][step][output 0..15][input 0..3]   int8; a segment's last step is filled
//                                                                 up with weights of zero
//     float32  [panel][segment][input][output 0..15]
//
// Activations are unsigned bytes with a zero point, weights signed: what the zero point adds to a sum
// is a constant of the output, from which the sum starts. Codes of int8 are 128 more as bytes.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

inline constexpr uint32_t kConvOutputs = 16;  ///< of a panel
inline constexpr uint32_t kConvInputs = 4;    ///< of a step
/// Weights of a window at most: 255 * 128 * 65536 < 2^31.
inline constexpr uint64_t kMaxConvInputs = 65536;

/// Where windows lie. Distances in numbers: bytes for codes.
struct ConvWindows {
  const uint64_t* segments;  ///< from a window's first number
  uint32_t n_segments;
  uint32_t segment_inputs;
  uint64_t position_stride;  ///< from an output's window to the next one's
  uint64_t row_stride;       ///< from an output row's windows to the next one's
  uint32_t n_positions;      ///< of an output row
  uint32_t n_rows;
};

/// What becomes of a finished sum. Distances in numbers.
///
///     y = fma(sum, scale * x_scale, bias)          floats: sum + bias
///     y = y + residual                             codes: fma(code, residual_scale, y), and
///                                                  residual_zero * residual_scale less in the bias
///     code = (rint(cut(y * inverse, least, most)) + zero) ^ flip
struct ConvEnd {
  const float* bias;              ///< [output]; null for none
  const float* residual;          ///< null for none
  const uint8_t* residual_codes;  ///< null for none; not both
  float* out;                     ///< null where `codes` is not
  uint8_t* codes;
  uint64_t position_stride;  ///< of the answer, and of the residual
  uint64_t row_stride;
  uint64_t residual_row_stride;
  uint32_t n_outputs;
  uint32_t cut;  ///< 0: as it is
  float low;     ///< y of `out` is cut to low and high, NaN is not; relu is 0 and infinity
  float high;
  float residual_scale;
  int32_t residual_zero;
  float inverse;  ///< of the scale of codes
  float least;    ///< at least -zero; where the answer is cut, times inverse
  float most;     ///< at most 255 - zero
  int32_t zero;   ///< 0 to 255
  uint32_t flip;  ///< 128 makes int8 of a byte
};

struct ConvU8 {
  const uint8_t* x;  ///< the first window of the first row; up to 3 bytes past a segment are read
  const int8_t* panels;
  const int32_t* starts;         ///< [output]: minus the zero point times the weights' sum
  const int32_t* signed_starts;  ///< the same for bytes 128 less
  const float* scales;           ///< [output]; both are whole panels
  uint64_t panel_bytes;
  float x_scale;
  ConvWindows windows;
  ConvEnd end;
};

struct ConvF32 {
  const float* x;
  const float* panels;
  uint64_t panel_floats;
  ConvWindows windows;
  ConvEnd end;
};

using ConvU8Kernel = void (*)(const ConvU8& task) noexcept;
using ConvF32Kernel = void (*)(const ConvF32& task) noexcept;

/// Each channel by itself (depthwise): weights are [segment][channel], a segment a kernel position;
/// panels are not used, nor whole. `starts`, `scales` have a number for each channel.
using DepthwiseU8Kernel = void (*)(const ConvU8& task) noexcept;
using DepthwiseF32Kernel = void (*)(const ConvF32& task) noexcept;

namespace scalar {
void conv_u8(const ConvU8& task) noexcept;
void conv_f32(const ConvF32& task) noexcept;
void depthwise_u8(const ConvU8& task) noexcept;
void depthwise_f32(const ConvF32& task) noexcept;
}  // namespace scalar
namespace avx2 {
void conv_u8(const ConvU8& task) noexcept;
void conv_f32(const ConvF32& task) noexcept;
void depthwise_u8(const ConvU8& task) noexcept;
void depthwise_f32(const ConvF32& task) noexcept;
}  // namespace avx2
namespace avxvnni {
void conv_u8(const ConvU8& task) noexcept;
}
namespace avx512 {
void conv_f32(const ConvF32& task) noexcept;
void depthwise_f32(const ConvF32& task) noexcept;
}  // namespace avx512
namespace avx512icl {
void conv_u8(const ConvU8& task) noexcept;
void depthwise_u8(const ConvU8& task) noexcept;
}  // namespace avx512icl
namespace neon {
void conv_u8(const ConvU8& task) noexcept;
void conv_f32(const ConvF32& task) noexcept;
void depthwise_u8(const ConvU8& task) noexcept;
void depthwise_f32(const ConvF32& task) noexcept;
}  // namespace neon
namespace neon_dotprod {
void conv_u8(const ConvU8& task) noexcept;
}

}  // namespace cordwood::kernels
