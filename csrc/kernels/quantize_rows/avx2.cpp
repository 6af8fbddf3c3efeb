// quantize_rows, 32 inputs at a time: a pass for the largest magnitude, a pass for the codes, both
// from L1 after the first touch; then sums of codes by vpsadbw.
#include <immintrin.h>

#include <cstring>

#include "kernels/quantize_rows/affine.hpp"
#include "kernels/quantize_rows/quantize_rows.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr float kTop = 127.0f;
constexpr uint32_t kInfinityBits = 0x7F800000u;
constexpr uint64_t kBlock = 32;

/// The last inputs, filled up with zeros.
struct Tail {
  float x[kBlock] = {};

  Tail(const float* from, uint64_t count) noexcept { std::memcpy(x, from, count * sizeof *x); }
};

/// The largest bits so far of magnitudes, lane by lane.
class Tops {
 public:
  void take(const float* x) noexcept {
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
#pragma GCC unroll 4
    for (uint32_t part = 0; part < 4; ++part) {
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 8 * part));
      top_[part] = _mm256_max_epu32(top_[part], _mm256_and_si256(bits, magnitude));
    }
  }
  [[nodiscard]] uint32_t largest() const noexcept {
    const __m256i eight =
        _mm256_max_epu32(_mm256_max_epu32(top_[0], top_[1]), _mm256_max_epu32(top_[2], top_[3]));
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4E));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xB1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
  }

 private:
  __m256i top_[4] = {};
};

/// Codes of 32 inputs.
template <bool kStatic>
void encode(const float* x, float reciprocal, int8_t* codes) noexcept {
  const auto eight = [&](uint32_t part) {
    __m256 code = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * part), _mm256_set1_ps(reciprocal));
    if (kStatic) {  // a scale of the row's own never reaches further
      code = _mm256_max_ps(_mm256_min_ps(code, _mm256_set1_ps(kTop)), _mm256_set1_ps(-kTop));
    }
    return _mm256_cvtps_epi32(code);
  };
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(eight(0), eight(1)),
                                           _mm256_packs_epi32(eight(2), eight(3)));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), _mm256_permutevar8x32_epi32(bytes, order));
}

/// Bits of the largest magnitude. Magnitudes order as their bits do; NaN comes after infinity.
uint32_t largest_bits(const float* x, uint64_t count) noexcept {
  Tops tops;
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) tops.take(x + k);
  if (k < count) tops.take(Tail(x + k, count - k).x);
  return tops.largest();
}

template <bool kStatic>
void encode_range(const float* x, uint64_t count, float reciprocal, int8_t* codes) noexcept {
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) encode<kStatic>(x + k, reciprocal, codes + k);
  if (k == count) return;
  int8_t last[kBlock];
  encode<kStatic>(Tail(x + k, count - k).x, reciprocal, last);
  std::memcpy(codes + k, last, count - k);
}

/// The least and the largest value and zero; bits of the largest magnitude.
struct Span {
  float low;
  float high;
  uint32_t top_bits;
};

class Spans {
 public:
  void take(const float* x) noexcept {
    tops_.take(x);
#pragma GCC unroll 4
    for (uint32_t part = 0; part < 4; ++part) {
      const __m256 eight = _mm256_loadu_ps(x + 8 * part);
      low_[part] = _mm256_min_ps(eight, low_[part]);
      high_[part] = _mm256_max_ps(eight, high_[part]);
    }
  }
  [[nodiscard]] Span span() const noexcept {
    const __m256 low =
        _mm256_min_ps(_mm256_min_ps(low_[0], low_[1]), _mm256_min_ps(low_[2], low_[3]));
    const __m256 high =
        _mm256_max_ps(_mm256_max_ps(high_[0], high_[1]), _mm256_max_ps(high_[2], high_[3]));
    __m128 least = _mm_min_ps(_mm256_castps256_ps128(low), _mm256_extractf128_ps(low, 1));
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(high), _mm256_extractf128_ps(high, 1));
    least = _mm_min_ps(least, _mm_movehl_ps(least, least));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    least = _mm_min_ps(least, _mm_shuffle_ps(least, least, 1));
    most = _mm_max_ps(most, _mm_shuffle_ps(most, most, 1));
    return {_mm_cvtss_f32(least), _mm_cvtss_f32(most), tops_.largest()};
  }

 private:
  Tops tops_;
  __m256 low_[4] = {};
  __m256 high_[4] = {};
};

Span span_of(const float* x, uint64_t count) noexcept {
  Spans spans;
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) spans.take(x + k);
  if (k < count) spans.take(Tail(x + k, count - k).x);
  return spans.span();
}

/// What turns floats into codes with a zero point.
struct Affinity {
  float reciprocal;
  int32_t zero;
  uint8_t flip;
};

/// Codes of 32 floats. A maximum takes its second operand where the first is NaN.
__m256i encode_affine(const float* x, const Affinity& by) noexcept {
  const __m256 least = _mm256_set1_ps(static_cast<float>(-128 - by.zero));
  const __m256 most = _mm256_set1_ps(static_cast<float>(127 - by.zero));
  const auto eight = [&](uint32_t part) {
    const __m256 code = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * part), _mm256_set1_ps(by.reciprocal));
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(code, least), most));
  };
  const __m256i zero = _mm256_set1_epi16(static_cast<int16_t>(by.zero));
  const __m256i low = _mm256_add_epi16(_mm256_packs_epi32(eight(0), eight(1)), zero);
  const __m256i high = _mm256_add_epi16(_mm256_packs_epi32(eight(2), eight(3)), zero);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i codes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  return _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(by.flip)));
}

void encode_affine(const float* x, uint64_t count, const Affinity& by, uint8_t* codes) noexcept {
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + k), encode_affine(x + k, by));
  }
  if (k == count) return;
  uint8_t last[kBlock];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(last),
                      encode_affine(Tail(x + k, count - k).x, by));
  std::memcpy(codes + k, last, count - k);
}

void take_codes(const uint8_t* given, uint64_t count, uint8_t flip, int8_t* codes) noexcept {
  const __m256i flips = _mm256_set1_epi8(static_cast<char>(flip));
  uint64_t k = 0;
  for (; k + kBlock <= count; k += kBlock) {
    const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(given + k));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + k), _mm256_xor_si256(block, flips));
  }
  for (; k < count; ++k) codes[k] = static_cast<int8_t>(given[k] ^ flip);
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

/// Groups begin with a multiple of 32 inputs; the last one is followed by zeros up to the next.
int32_t sum_codes(const int8_t* codes, uint64_t count) noexcept {
  const __m256i offset = _mm256_set1_epi8(-128);
  __m256i sums = _mm256_setzero_si256();
  int64_t n_codes = 0;
  for (uint64_t k = 0; k < count; k += kBlock) {
    const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + k));
    const __m256i shifted = _mm256_xor_si256(block, offset);  // code + 128, unsigned
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(shifted, _mm256_setzero_si256()));
    n_codes += kBlock;
  }
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  const int64_t sum = _mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1);
  return static_cast<int32_t>(sum - 128 * n_codes);
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

}  // namespace cordwood::kernels::avx2
