// sparse_matmul on avx2: bytes become words, for a multiply-add of words that cannot saturate.
//
// Eight outputs are two registers of dwords, two to an output, added in pairs at the end. Positions
// are widened with a zeroing byte to each, so that one shuffle picks activations as words. pairs: two
// shuffles and two multiply-adds for 8 outputs of a slot and a row. slots: a window is four quarters
// of 16 bytes, each shuffled by its own positions, so that a slot costs eleven instructions more.
// blocks: a row's eight inputs are gathered in a general register and meet two outputs at a time.
#include <immintrin.h>

#include <cstring>

#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint32_t kLanes = 8;
constexpr uint32_t kPairRows = 4;
constexpr uint32_t kSlotRows = 2;

/// Sums of 8 outputs: in each half of a register two outputs, each in two parts.
struct Halves {
  __m256i low{};
  __m256i high{};
};

__m256i load(const void* from) noexcept {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// Four bytes of 8 outputs as words: the first two outputs of each half, then the others.
struct Words {
  __m256i low;
  __m256i high;
};

Words signed_words(__m256i bytes) noexcept {
  const __m256i sign = _mm256_cmpgt_epi8(_mm256_setzero_si256(), bytes);
  return {_mm256_unpacklo_epi8(bytes, sign), _mm256_unpackhi_epi8(bytes, sign)};
}

Words with_upper(__m256i bytes, char upper) noexcept {
  const __m256i byte = _mm256_set1_epi8(upper);
  return {_mm256_unpacklo_epi8(bytes, byte), _mm256_unpackhi_epi8(bytes, byte)};
}

void add_products(Halves& sum, Words inputs, Words weights) noexcept {
  sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(inputs.low, weights.low));
  sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(inputs.high, weights.high));
}

/// Cut to `low` and `high`, either sign of a zero to a bound of zero. NaN stays: maxima would drop it.
__m256 cut(__m256 y, __m256 low, __m256 high) noexcept {
  y = _mm256_blendv_ps(y, low, _mm256_cmp_ps(y, low, _CMP_LE_OQ));
  return _mm256_blendv_ps(y, high, _mm256_cmp_ps(y, high, _CMP_GE_OQ));
}

/// Scales, bias, residual, cut, for 8 outputs of a row, as many of them as there are.
void finish_eight(const SparseMatmul& task, __m256i sum, uint32_t row, uint64_t output) noexcept {
  const SparseEnd& end = task.end;
  if (output >= end.n_outputs) return;
  const uint64_t left = end.n_outputs - output;
  const __m256i lanes =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(left >= kLanes ? 8 : static_cast<int>(left)),
                         _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i offsets = load(task.weights.offsets + output);
  __m256i whole = _mm256_add_epi32(sum, offsets);
  if (task.rows.zeros != nullptr) {
    const __m256i zero = _mm256_set1_epi32(task.rows.zeros[row]);
    const __m256i weight_sums = _mm256_srai_epi32(offsets, kSparseZeroBits);  // negative
    whole = _mm256_add_epi32(whole, _mm256_mullo_epi32(weight_sums, zero));
  }
  const __m256 scaled =
      _mm256_mul_ps(_mm256_cvtepi32_ps(whole), _mm256_loadu_ps(task.weights.scales + output));
  const __m256 scale = _mm256_set1_ps(task.rows.scales[row]);
  __m256 y = end.bias != nullptr
                 ? _mm256_fmadd_ps(scaled, scale, _mm256_maskload_ps(end.bias + output, lanes))
                 : _mm256_mul_ps(scaled, scale);
  if (end.residual != nullptr) {
    const float* residual = end.residual + row * end.residual_stride + output;
    y = _mm256_add_ps(y, _mm256_maskload_ps(residual, lanes));
  }
  if (end.cut != 0) {
    y = cut(y, _mm256_set1_ps(end.low), _mm256_set1_ps(end.high));
  }
  _mm256_maskstore_ps(end.out + row * end.out_stride + output, lanes, y);
}

void finish_halves(const SparseMatmul& task, const Halves& sum, uint32_t row,
                   uint64_t output) noexcept {
  finish_eight(task, _mm256_hadd_epi32(sum.low, sum.high), row, output);
}

/// 8 outputs of a panel, from `within` on, for R rows.
template <uint32_t R>
void pair_tile(const SparseMatmul& task, const uint8_t* quad, uint64_t output, uint32_t within,
               uint32_t row) noexcept {
  const __m256i three = _mm256_set1_epi8(3);
  const __m256i upper = _mm256_set1_epi32(0x04040000);
  const uint8_t* codes = task.rows.codes + row * task.rows.stride;
  Halves sums[R];
  for (uint64_t part = 0; part < task.weights.n_parts; ++part) {
    const __m256i positions = load(quad + within * 4);
    for (uint32_t slot = 0; slot < 4; ++slot) {
      const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(2 * slot));
      const __m256i order =
          _mm256_or_si256(_mm256_and_si256(_mm256_srl_epi16(positions, shift), three), upper);
      const Words orders = with_upper(order, -128);
      const Words weights = signed_words(load(quad + 128 + slot * 128 + within * 4));
#pragma GCC unroll 4
      for (uint32_t r = 0; r < R; ++r) {
        int64_t eight;
        std::memcpy(&eight, codes + r * task.rows.stride + slot * 8, sizeof eight);
        const __m256i inputs = _mm256_set1_epi64x(eight);
        add_products(
            sums[r],
            {_mm256_shuffle_epi8(inputs, orders.low), _mm256_shuffle_epi8(inputs, orders.high)},
            weights);
      }
    }
    quad += kQuadBytes;
    codes += kQuadInputs;
  }
#pragma GCC unroll 4
  for (uint32_t r = 0; r < R; ++r) finish_halves(task, sums[r], row + r, output + within);
}

using PairTile = void (*)(const SparseMatmul&, const uint8_t* quad, uint64_t output,
                          uint32_t within, uint32_t row) noexcept;

constexpr PairTile kPairTiles[] = {nullptr, pair_tile<1>, pair_tile<2>, pair_tile<3>, pair_tile<4>};

void multiply_pairs(const SparseMatmul& task) noexcept {
  const uint8_t* panel = task.weights.codes;
  for (uint64_t output = 0; output < task.end.n_outputs; output += kSparsePanel) {
    for (uint32_t within = 0; within < kSparsePanel; within += kLanes) {
      for (uint32_t row = 0; row < task.rows.n_rows; row += kPairRows) {
        const uint32_t left = task.rows.n_rows - row;
        kPairTiles[left < kPairRows ? left : kPairRows](task, panel, output, within, row);
      }
    }
    panel += task.weights.n_parts * kQuadBytes;
  }
}

/// Positions for the four quarters of a window: what lies in another one reads as zero.
struct Quarters {
  __m256i order[4];
};

Quarters quarters_of(__m256i positions) noexcept {
  Quarters quarters;
#pragma GCC unroll 4
  for (int quarter = 0; quarter < 4; ++quarter) {
    const auto first = static_cast<char>(16 * quarter);
    quarters.order[quarter] = _mm256_adds_epu8(_mm256_xor_si256(positions, _mm256_set1_epi8(first)),
                                               _mm256_set1_epi8(0x70));
  }
  return quarters;
}

Words pick(const uint8_t* window, const Quarters& quarters) noexcept {
  __m256i bytes = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (uint32_t quarter = 0; quarter < 4; ++quarter) {
    const __m256i own = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(window + 16 * quarter)));
    bytes = _mm256_or_si256(bytes, _mm256_shuffle_epi8(own, quarters.order[quarter]));
  }
  return with_upper(bytes, 0);
}

/// 8 outputs of a group, from `within` on, for R rows.
template <uint32_t R>
void slot_tile(const SparseMatmul& task, uint64_t group, uint32_t within, uint32_t row) noexcept {
  const SparseWeights& weights = task.weights;
  const uint8_t* counts = weights.counts + group * weights.n_parts;
  const uint8_t* slot = weights.codes + weights.starts[group] * kSlotBytes + within * 4;
  const uint8_t* codes = task.rows.codes + row * task.rows.stride;
  Halves sums[R];
  for (uint64_t window = 0; window < weights.n_parts; ++window) {
    for (uint32_t left = counts[window]; left > 0; --left) {
      const Words own = signed_words(load(slot));
      const Quarters quarters = quarters_of(load(slot + 64));
#pragma GCC unroll 2
      for (uint32_t r = 0; r < R; ++r) {
        add_products(sums[r], pick(codes + r * task.rows.stride, quarters), own);
      }
      slot += kSlotBytes;
    }
    codes += kWindowInputs;
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < R; ++r) {
    finish_halves(task, sums[r], row + r, group * kSparseGroup + within);
  }
}

void multiply_slots(const SparseMatmul& task) noexcept {
  const uint64_t n_groups = (task.end.n_outputs + kSparseGroup - 1) / kSparseGroup;
  for (uint64_t group = 0; group < n_groups; ++group) {
    for (uint32_t within = 0; within < kSparseGroup; within += kLanes) {
      for (uint32_t row = 0; row < task.rows.n_rows; row += kSlotRows) {
        const bool whole = task.rows.n_rows - row >= kSlotRows;
        (whole ? slot_tile<2> : slot_tile<1>)(task, group, within, row);
      }
    }
  }
}

/// Outputs 0, 2, 4, 6 and 1, 3, 5, 7 of four registers of two outputs in four parts each.
__m256i add_parts(const __m256i* parts) noexcept {
  const __m256i mixed = _mm256_hadd_epi32(_mm256_hadd_epi32(parts[0], parts[1]),
                                          _mm256_hadd_epi32(parts[2], parts[3]));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// Eight inputs of one row, as words, in both halves.
__m256i eight_inputs(const uint8_t* lane, uint64_t lanes, const uint16_t* inputs) noexcept {
  uint64_t eight = 0;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 8; ++i) eight |= uint64_t{lane[inputs[i] * lanes]} << (8 * i);
  return _mm256_broadcastsi128_si256(
      _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<int64_t>(eight))));
}

void block_row(const SparseMatmul& task, uint64_t group, uint32_t row) noexcept {
  const SparseWeights& weights = task.weights;
  const uint64_t lanes = task.rows.lanes;
  const uint8_t* lane = task.rows.codes + row / lanes * lanes * task.rows.stride + row % lanes;
  __m256i sums[8];
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 8; ++i) sums[i] = _mm256_setzero_si256();
  for (uint64_t eight = weights.starts[group]; eight < weights.starts[group + 1]; ++eight) {
    const __m256i inputs = eight_inputs(lane, lanes, weights.inputs + eight * 8);
    const uint8_t* codes = weights.codes + eight * kEightBytes;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < 8; ++i) {
      const __m256i two =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * i)));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(inputs, two));
    }
  }
  finish_eight(task, add_parts(sums), row, group * kSparseGroup);
  finish_eight(task, add_parts(sums + 4), row, group * kSparseGroup + kLanes);
}

void multiply_blocks(const SparseMatmul& task) noexcept {
  const uint64_t n_groups = (task.end.n_outputs + kSparseGroup - 1) / kSparseGroup;
  for (uint64_t group = 0; group < n_groups; ++group) {
    for (uint32_t row = 0; row < task.rows.n_rows; ++row) block_row(task, group, row);
  }
}

}  // namespace

void sparse_matmul_s8(const SparseMatmul& task) noexcept {
  switch (task.weights.kind) {
    case SparseKind::pairs:
      return multiply_pairs(task);
    case SparseKind::blocks:
      return multiply_blocks(task);
    default:
      return multiply_slots(task);
  }
}

}  // namespace cordwood::kernels::avx2
