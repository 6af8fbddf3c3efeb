// quantize_rows, 64 inputs at a time: a pass for the largest magnitude, a pass for the codes, both
// from L1 after the first touch; then sums of codes by vpdpbusd. About 9 cycles for 64 inputs.
#include <immintrin.h>

#include <cstring>

#include "kernels/quantize_rows/affine.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr float kTop = 127.0f;
constexpr uint32_t kInfinityBits = 0x7F800000u;
constexpr uint64_t kBlock = 64;

/// Lanes of register `part` of a block that lie before `count`.
__mmask16 lanes(uint64_t count, uint64_t part) noexcept {
  const uint64_t first = 16 * part;
  if (count >= first + 16) return 0xFFFF;
  return count <= first ? __mmask16{0} : static_cast<__mmask16>((1u << (count - first)) - 1u);
}

/// Bits of the largest magnitude. Magnitudes order as their bits do; NaN comes after infinity.
uint32_t largest_bits(const float* x, uint64_t count) noexcept {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i top[4]{};
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
#pragma GCC unroll 4
    for (uint64_t part = 0; part < 4; ++part) {
      const __m512i bits = _mm512_loadu_si512(x + k + 16 * part);
      top[part] = _mm512_max_epu32(top[part], _mm512_and_si512(bits, magnitude));
    }
  }
  for (uint64_t part = 0; part < 4; ++part) {
    const __m512i bits = _mm512_maskz_loadu_epi32(lanes(count - k, part), x + k + 16 * part);
    top[part] = _mm512_max_epu32(top[part], _mm512_and_si512(bits, magnitude));
  }
  return _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_max_epu32(top[0], top[1]), _mm512_max_epu32(top[2], top[3])));
}

/// Codes of 16 inputs as int32.
template <bool kStatic>
__m512i encode(__m512 x, __m512 reciprocal) noexcept {
  __m512 code = _mm512_mul_ps(x, reciprocal);
  if (kStatic) {  // a scale of the row's own never reaches further
    code = _mm512_max_ps(_mm512_min_ps(code, _mm512_set1_ps(kTop)), _mm512_set1_ps(-kTop));
  }
  return _mm512_cvtps_epi32(code);
}

/// Four registers of int32 codes to one of bytes, in order.
__m512i narrow(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(
      order, _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

template <bool kStatic>
void encode_range(const float* x, uint64_t count, float reciprocal, int8_t* codes) noexcept {
  const __m512 by = _mm512_set1_ps(reciprocal);
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
    const __m512i block = narrow(encode<kStatic>(_mm512_loadu_ps(x + k), by),
                                 encode<kStatic>(_mm512_loadu_ps(x + k + 16), by),
                                 encode<kStatic>(_mm512_loadu_ps(x + k + 32), by),
                                 encode<kStatic>(_mm512_loadu_ps(x + k + 48), by));
    _mm512_storeu_si512(codes + k, block);
  }
  const uint64_t left = count - k;
  if (left == 0) return;
  const auto tail = [&](uint64_t part) {
    return encode<kStatic>(_mm512_maskz_loadu_ps(lanes(left, part), x + k + 16 * part), by);
  };
  _mm512_mask_storeu_epi8(codes + k, (__mmask64{1} << left) - 1u,
                          narrow(tail(0), tail(1), tail(2), tail(3)));
}

/// The least and the largest value and zero; bits of the largest magnitude.
struct Span {
  float low;
  float high;
  uint32_t top_bits;
};

Span span_of(const float* x, uint64_t count) noexcept {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512 low[4]{};
  __m512 high[4]{};
  __m512i top[4]{};
  const auto take = [&](uint64_t part, __m512 own) {
    low[part] = _mm512_min_ps(own, low[part]);
    high[part] = _mm512_max_ps(own, high[part]);
    top[part] = _mm512_max_epu32(top[part], _mm512_and_si512(_mm512_castps_si512(own), magnitude));
  };
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
#pragma GCC unroll 4
    for (uint64_t part = 0; part < 4; ++part) take(part, _mm512_loadu_ps(x + k + 16 * part));
  }
#pragma GCC unroll 4
  for (uint64_t part = 0; part < 4; ++part) {
    take(part, _mm512_maskz_loadu_ps(lanes(count - k, part), x + k + 16 * part));
  }
  return {_mm512_reduce_min_ps(
              _mm512_min_ps(_mm512_min_ps(low[0], low[1]), _mm512_min_ps(low[2], low[3]))),
          _mm512_reduce_max_ps(
              _mm512_max_ps(_mm512_max_ps(high[0], high[1]), _mm512_max_ps(high[2], high[3]))),
          _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_max_epu32(top[0], top[1]),
                                                   _mm512_max_epu32(top[2], top[3])))};
}

/// What turns floats into codes with a zero point.
struct Affinity {
  float reciprocal;
  int32_t zero;
  uint8_t flip;
};

/// Codes of 64 floats, as many of them as there are. A maximum takes its second operand where the
/// first is NaN.
[[gnu::always_inline]] inline __m512i encode_block(const float* x, uint64_t count,
                                                   const Affinity& by) noexcept {
  const __m512 least = _mm512_set1_ps(static_cast<float>(-128 - by.zero));
  const __m512 most = _mm512_set1_ps(static_cast<float>(127 - by.zero));
  const auto sixteen = [&](uint64_t part) {
    const __m512 y = _mm512_maskz_loadu_ps(lanes(count, part), x + 16 * part);
    const __m512 code = _mm512_mul_ps(y, _mm512_set1_ps(by.reciprocal));
    const __m512i near = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(code, least), most));
    return _mm512_add_epi32(near, _mm512_set1_epi32(by.zero));
  };
  const __m512i codes = narrow(sixteen(0), sixteen(1), sixteen(2), sixteen(3));
  return _mm512_xor_si512(codes, _mm512_set1_epi8(static_cast<char>(by.flip)));
}

/// The bytes of a block that lie before `count`.
__mmask64 bytes(uint64_t count) noexcept {
  return count >= kBlock ? ~__mmask64{0} : (__mmask64{1} << count) - 1u;
}

void encode_affine(const float* x, uint64_t count, const Affinity& by, uint8_t* codes) noexcept {
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
    _mm512_storeu_si512(codes + k, encode_block(x + k, kBlock, by));
  }
  if (k == count) return;
  _mm512_mask_storeu_epi8(codes + k, bytes(count - k), encode_block(x + k, count - k, by));
}

void take_codes(const uint8_t* given, uint64_t count, uint8_t flip, int8_t* codes) noexcept {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  for (uint64_t k = 0; k < count; k += kBlock) {
    const __m512i block = _mm512_maskz_loadu_epi8(bytes(count - k), given + k);
    _mm512_mask_storeu_epi8(codes + k, bytes(count - k), _mm512_xor_si512(block, flips));
  }
}

/// Codes of a symmetric scale group; false where a value is not finite.
bool code_symmetric(const QuantizeRows& task, const float* x, uint64_t count, int8_t* codes,
                    float* scale) noexcept {
  const uint32_t top_bits = largest_bits(x, count);
  if (top_bits >= kInfinityBits) return false;
  if (task.static_scale > 0.0f) {
    *scale = task.static_scale;
    encode_range<true>(x, count, 1.0f / task.static_scale, codes);
    return true;
  }
  float top;
  std::memcpy(&top, &top_bits, sizeof top);
  const bool tiny = !(top >= kTinyScale);
  *scale = tiny ? 0.0f : top / kTop;
  encode_range<false>(x, count, tiny ? 0.0f : kTop / top, codes);
  return true;
}

/// The same with a zero point.
bool code_affine(const QuantizeRows& task, const float* x, uint64_t count, int8_t* codes,
                 float* scale, int32_t* zero) noexcept {
  const Span span = span_of(x, count);
  if (span.top_bits >= kInfinityBits) return false;
  const Affine own = task.static_scale > 0.0f ? Affine{task.static_scale, task.static_zero}
                                              : affine_of(span.low, span.high);
  *scale = own.scale;
  *zero = own.zero;
  const float reciprocal = own.scale > 0.0f ? 1.0f / own.scale : 0.0f;
  encode_affine(x, count, {reciprocal, own.zero, 0}, reinterpret_cast<uint8_t*>(codes));
  return true;
}

/// Codes of one scale group of a row.
bool code_group(const QuantizeRows& task, uint64_t from, uint64_t count, int8_t* codes,
                uint64_t group) noexcept {
  float* scale = task.scales + group;
  if (task.form == RowForm::symmetric) {
    return code_symmetric(task, task.x + from, count, codes, scale);
  }
  if (task.form == RowForm::affine) {
    return code_affine(task, task.x + from, count, codes, scale, task.zeros + group);
  }
  *scale = task.static_scale;
  task.zeros[group] = task.static_zero;
  take_codes(task.given + from, count, task.flip, codes);
  return true;
}

int32_t sum_codes(const int8_t* codes, uint64_t count) noexcept {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
    sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(codes + k));
  }
  if (k < count) {
    const __mmask64 left = (__mmask64{1} << (count - k)) - 1u;
    sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(left, codes + k));
  }
  return _mm512_reduce_add_epi32(sum);
}

}  // namespace

uint64_t quantize_rows_f32(const QuantizeRows& task) noexcept {
  const uint64_t n_scales = (task.n_inputs + task.scale_group - 1) / task.scale_group;
  const uint64_t n_sums = (task.n_inputs + task.sum_group - 1) / task.sum_group;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const uint64_t from = row * task.x_stride;
    int8_t* codes = task.codes + row * task.code_stride;
    for (uint64_t group = 0; group < n_scales; ++group) {
      const uint64_t first = group * task.scale_group;
      const uint64_t count = group + 1 == n_scales ? task.n_inputs - first : task.scale_group;
      if (!code_group(task, from + first, count, codes + first, row * n_scales + group)) return row;
    }
    std::memset(codes + task.n_inputs, 0, task.padded_inputs - task.n_inputs);
    for (uint64_t group = 0; group < n_sums; ++group) {
      const uint64_t first = group * task.sum_group;
      const uint64_t count = group + 1 == n_sums ? task.n_inputs - first : task.sum_group;
      task.sums[row * n_sums + group] = sum_codes(codes + first, count) * task.sum_factor;
    }
  }
  return task.n_rows;
}

void requantize_rows_f32(const RequantizeRows& task) noexcept {
  const Affinity by{1.0f / task.scale, task.zero, task.flip};
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    encode_affine(task.y + row * task.y_stride, task.n_columns, by,
                  task.codes + row * task.code_stride);
  }
}

}  // namespace cordwood::kernels::avx512icl
