// attention on integers: its products where queries, keys and values are coded in 8 bits (docs/graph.md,
// attention).
//
//     code_heads_s8           rows of floats to codes, a scale each
//     pair_values_s16         codes of values, two neighbouring keys side by side
//     attention_scores_s8     queries by keys in 8 bits: scores in floats, to the base 2
//     attention_codes_f32     scores, in place, to codes of weights in 15 bits, and a factor a row
//     attention_values_s16    codes of weights by those of values, times the factor
//
//     keys     [panel of 32 keys][step of 4 inputs][32 keys][4]            signed bytes
//     values   [panel of 32 columns][pair of keys][32 columns][2]          int16
//
// Inputs are filled up to whole steps, keys to whole panels, columns to whole panels and an odd last
// key to a pair, all with zeros.
#pragma once

#include <cstdint>

#include "kernels/attention/attention.hpp"

namespace cordwood::kernels {

inline constexpr uint64_t kCodedStep = 4;
inline constexpr uint64_t kCodedPanel = 32;
/// The code of a row's largest weight: 512 keys of it, times codes of values, fit an int32.
inline constexpr float kWeightCodes = 32767.0f;
inline constexpr uint64_t kCodedKeys = 512;
/// 1 / log(2): what scores to the base e are times this to the base 2.
inline constexpr float kBaseTwo = 0x1.715476p+0f;
/// 2 to this power is 0: scores that are further below their row's largest count as this far.
inline constexpr float kLeastPower = -152.0f;

/// Rows of heads to signed bytes: rint(x * (127 / top)), scale top / 127. A row whose largest magnitude
/// is below 2^-100 counts as zeros; one that is not finite has codes of 0 and a scale of NaN.
struct CodeHeads {
  const float* x;
  uint64_t stride;  ///< floats from row to row
  uint64_t n_rows;
  uint64_t n_inputs;
  int8_t* codes;         ///< [row][n_inputs filled up to whole steps]
  uint64_t code_stride;  ///< at least that
  uint8_t flip;          ///< xored with the codes: 128 makes unsigned ones, 0 being 128
  float* scales;         ///< [row]
};

struct PairValues {
  const int8_t* codes;   ///< [key][column]
  uint64_t code_stride;  ///< a multiple of kCodedPanel; zeros behind the last column
  uint64_t n_keys;
  uint64_t n_columns;
  int16_t* panels;
};

struct CodedScores {
  const uint8_t* queries;  ///< [row][input], 0 being 128
  uint64_t query_stride;
  const float* query_factors;  ///< [row]
  uint64_t n_rows;
  const int8_t* keys;       ///< panels
  const float* key_scales;  ///< [key], of whole panels
  uint64_t n_steps;         ///< of 4 inputs
  uint64_t n_panels;
  float* scores;  ///< [row][key], of whole panels
  uint64_t stride;
};

struct CodedWeights {
  AttentionWeights rows;      ///< marks and divisors unused; scores are scaled, to the base 2
  const float* value_scales;  ///< [column], of whole panels
  float* factors;             ///< [row]: of the sums of codes; NaN where the row is
};

struct CodedValues {
  const int16_t* weights;  ///< [row][key], an odd last pair filled up with any code
  uint64_t weight_stride;
  const int16_t* values;  ///< panels, from the first key on
  uint64_t panel_stride;  ///< int16 from panel to panel
  uint64_t first_key;     ///< even; sums are cut at keys whose number is a multiple of kCodedKeys
  uint64_t n_keys;
  const float* factors;  ///< [row]
  float* out;            ///< [row][column]
  uint64_t out_stride;
  uint64_t n_rows;
  uint64_t n_columns;
};

using CodeHeadsS8 = void (*)(const CodeHeads& task) noexcept;
using PairValuesS16 = void (*)(const PairValues& task) noexcept;
using AttentionScoresS8 = void (*)(const CodedScores& task) noexcept;
using AttentionCodesF32 = void (*)(const CodedWeights& task) noexcept;
using AttentionValuesS16 = void (*)(const CodedValues& task) noexcept;

namespace scalar {
void code_heads_s8(const CodeHeads& task) noexcept;
void pair_values_s16(const PairValues& task) noexcept;
void attention_scores_s8(const CodedScores& task) noexcept;
void attention_codes_f32(const CodedWeights& task) noexcept;
void attention_values_s16(const CodedValues& task) noexcept;
}  // namespace scalar
namespace avx2 {
void code_heads_s8(const CodeHeads& task) noexcept;
void pair_values_s16(const PairValues& task) noexcept;
void attention_scores_s8(const CodedScores& task) noexcept;
void attention_codes_f32(const CodedWeights& task) noexcept;
void attention_values_s16(const CodedValues& task) noexcept;
}  // namespace avx2
namespace avx512 {
void attention_codes_f32(const CodedWeights& task) noexcept;
}  // namespace avx512
namespace avx512icl {
void code_heads_s8(const CodeHeads& task) noexcept;
void pair_values_s16(const PairValues& task) noexcept;
void attention_scores_s8(const CodedScores& task) noexcept;
void attention_values_s16(const CodedValues& task) noexcept;
}  // namespace avx512icl
namespace neon {
void attention_codes_f32(const CodedWeights& task) noexcept;
}  // namespace neon

}  // namespace cordwood::kernels
