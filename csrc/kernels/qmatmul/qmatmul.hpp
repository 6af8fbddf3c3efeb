// qmatmul: rows of 8-bit activations times a matrix of unsigned codes, with scales (docs/quantization.md).
//
// Weights lie in panels of 32 outputs. A step is 4 inputs of a panel, 128 bytes, so that one
// multiply-add of bytes serves 16 outputs:
//
//     8 bits   [step][output 0..31][input 0..3]                        a byte a code
//     4 bits   [step / 2][output][input]    low half: even step, high half: odd step
//     2 bits   [step / 4][output][input]    two bits a step, the first lowest
//     3 bits   [step / 8] of: two times 128 bytes as for 2 bits, their codes' low two bits;
//              then 128 bytes with one bit a step, the codes' high bit
//
// A group is a whole number of steps, a multiple of 8 of them; the last one of a panel is filled up
// with inputs whose activations are zero. Codes are unsigned, activations signed: what the zero point
// adds to a sum is zero * (sum of the group's activations), which the caller knows. Where activations
// have zero points too, what those add is zero * (sum of the group's weights), which the plan knows.
//
// Sums of a group are integers, exact in any order. Floats follow in the order that
// docs/quantization.md fixes, so that every instruction set gives the same bits.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

inline constexpr uint32_t kPanelOutputs = 32;
inline constexpr uint32_t kStepInputs = 4;
inline constexpr uint32_t kStepBytes = kPanelOutputs * kStepInputs;
/// Steps of a group that an int32 holds whatever the codes. Every step on the way adds at most
/// (128 + 128) * 255 for an input, activation and its zero point apart: 255 * 256 * 4 * steps < 2^31.
inline constexpr uint32_t kMaxGroupSteps = 8192;
/// The same where zero points of weights are in the middle: 255 * 128 * 4 * steps < 2^31.
inline constexpr uint32_t kMaxSymmetricSteps = 16384;
/// Low-bit groups are expanded to bytes in scratch: as many as make so many steps, or a longer one.
inline constexpr uint32_t kExpandSteps = 128;

/// Weights of consecutive panels.
struct QmatmulWeights {
  const uint8_t* panels;
  const float* scales;     ///< [panel][group][output]
  const uint8_t* zeros;    ///< [panel][group][output]; null where all are 2^(bits - 1)
  const int32_t* columns;  ///< [panel][group][output], sum of code - zero
  uint64_t panel_bytes;
  uint32_t n_groups;
  uint32_t group_steps;  ///< of every group but the last
  uint32_t last_steps;   ///< of the last group
  uint32_t bits;
};

/// Activations as quantize_rows leaves them; sums are of the weights' groups.
struct QmatmulRows {
  const int8_t* codes;
  const float* scales;   ///< [row] or, with group_scales, [row][group]
  const int32_t* zeros;  ///< the same; null where all are 0 and no code is -128
  const int32_t* sums;   ///< [row][group] of minus the codes' sum, times 2^(bits - 1) without zeros
  uint64_t code_stride;
  uint32_t n_rows;
  uint32_t group_scales;  ///< 1 where each group of a row has its own scale
};

/// What becomes of a finished sum.
struct QmatmulEnd {
  float* out;             ///< [row][output]
  const float* bias;      ///< [output]; null for none
  const float* residual;  ///< [row][output]; null for none
  uint64_t out_stride;
  uint64_t residual_stride;
  uint64_t n_outputs;  ///< of these panels; the last panel may have fewer than 32
  float low;           ///< the answer is cut to low and high, NaN is not; relu is 0 and infinity
  float high;
  uint32_t cut;  ///< 0: as it is
};

struct Qmatmul {
  QmatmulWeights weights;
  QmatmulRows rows;
  QmatmulEnd end;
  void* scratch;  ///< qmatmul_scratch_bytes, aligned to 64
};

/// Room for a panel's sums of so many rows and for expanded groups.
constexpr uint64_t qmatmul_scratch_bytes(uint64_t n_rows, uint32_t group_steps) noexcept {
  const uint64_t steps = group_steps > kExpandSteps ? group_steps : kExpandSteps;
  return n_rows * kPanelOutputs * sizeof(float) + steps * kStepBytes;
}

using QmatmulS8 = void (*)(const Qmatmul& task) noexcept;

namespace scalar {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace avx2 {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace avxvnni {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace avx512icl {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace neon {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace neon_dotprod {
void qmatmul_s8(const Qmatmul& task) noexcept;
}
namespace neon_i8mm {
void qmatmul_s8(const Qmatmul& task) noexcept;
}

}  // namespace cordwood::kernels
