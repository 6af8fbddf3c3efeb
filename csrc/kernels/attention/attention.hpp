// attention: what stands between the two products of a block of queries (docs/graph.md, attention).
//
// Scores come from qmatmul_f32 over panels of keys. attention_weights_f32 turns them, in place, into
// weights exp(score - max) and one divisor a row; qmatmul_f32 multiplies those by panels of values,
// and end_rows_f32 divides.
//
// A key that takes no part in a row, because its score is -infinity or it lies outside the row's span,
// has the weight 0. Where values are finite, the product may pass over it or not: a sum changes by
// nothing but the sign of a zero, and end_rows_f32 clears that. Where some are not, such weights are
// asked for as -0, and attention_values_f32 is the product that leaves their keys out.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Keys of a lane sum stand so many columns apart; rows of scores are written in wholes of them.
inline constexpr uint64_t kSumLanes = 16;

/// Columns that a row may attend to: first to last - 1.
struct KeySpan {
  uint64_t first;
  uint64_t last;
};

enum class AttentionMask : uint32_t { none, flags, numbers };

struct AttentionWeights {
  float* scores;    ///< [row][column]: products, then weights
  uint64_t stride;  ///< floats from row to row
  uint64_t n_rows;
  uint64_t width;        ///< columns of a row, a multiple of kSumLanes
  const KeySpan* spans;  ///< [row]
  float scale;
  float soft_cap;  ///< 0 for none
  AttentionMask mask_kind;
  const void* mask;      ///< bytes, 0 where a key takes no part; or floats, added
  uint64_t mask_stride;  ///< entries from row to row
  uint64_t mask_width;   ///< entries of a row, from column 0 on
  uint32_t marks;        ///< 1: the weight of a key that takes no part is -0; 0: either zero
  float* divisors;       ///< [row]: the lane sum, NaN where the row is, 1 where no key takes part
};

struct AttentionValues {
  const float* weights;
  uint64_t weight_stride;
  const float* values;  ///< [key][column]
  uint64_t value_stride;
  float* out;  ///< [row][column]
  uint64_t out_stride;
  uint64_t n_rows;
  uint64_t n_keys;
  uint64_t n_columns;
};

using AttentionWeightsF32 = void (*)(const AttentionWeights& task) noexcept;
using AttentionValuesF32 = void (*)(const AttentionValues& task) noexcept;

namespace scalar {
void attention_weights_f32(const AttentionWeights& task) noexcept;
void attention_values_f32(const AttentionValues& task) noexcept;
}  // namespace scalar
namespace avx2 {
void attention_weights_f32(const AttentionWeights& task) noexcept;
void attention_values_f32(const AttentionValues& task) noexcept;
}  // namespace avx2
namespace avx512 {
void attention_weights_f32(const AttentionWeights& task) noexcept;
void attention_values_f32(const AttentionValues& task) noexcept;
}  // namespace avx512
namespace neon {
void attention_weights_f32(const AttentionWeights& task) noexcept;
void attention_values_f32(const AttentionValues& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
