// load_columns on AVX-512: squares of 8 x 8 float64 or 16 x 16 float32 change sides in registers.
//
// 64 float64 values: 8 loads, 24 shuffles, 8 stores; 256 float32 values: 16 loads, 64 shuffles, 16
// stores. Shuffles bind, two a cycle. Masks cut the squares at the edges.
#include <immintrin.h>

#include <cstring>

#include "kernels/load_columns/load_columns.hpp"

namespace cordwood::kernels::avx512 {
namespace {

// Below this many rows a square is mostly empty.
constexpr uint64_t kFewRows = 4;

constexpr uint32_t first_bits(uint64_t count) {
  return count >= 32 ? 0xFFFFFFFFu : (1u << count) - 1;
}

// ---- reading one row's part of a square --------------------------------------------------------

__m512d read(__mmask8 lanes, const double* at, double) {
  return _mm512_maskz_loadu_pd(lanes, at);
}
__m512d read(__mmask8 lanes, const float* at, double) {
  return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, at));
}
__m512 read(__mmask16 lanes, const float* at, float) {
  return _mm512_maskz_loadu_ps(lanes, at);
}
__m512 read(__mmask16 lanes, const double* at, float) {
  const __m512d low = _mm512_maskz_loadu_pd(static_cast<__mmask8>(lanes), at);
  const __m512d high = _mm512_maskz_loadu_pd(static_cast<__mmask8>(lanes >> 8), at + 8);
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

// ---- changing sides ----------------------------------------------------------------------------

[[gnu::always_inline]] inline void transpose(__m512d (&x)[8]) {
  __m512d pair[8], four[8];
#pragma GCC unroll 4
  for (unsigned i = 0; i < 8; i += 2) {
    pair[i] = _mm512_unpacklo_pd(x[i], x[i + 1]);
    pair[i + 1] = _mm512_unpackhi_pd(x[i], x[i + 1]);
  }
  // Of each four rows: 128-bit lanes 0 and 2, then 1 and 3.
#pragma GCC unroll 2
  for (unsigned i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
    for (unsigned j = 0; j < 2; ++j) {
      four[i + j] = _mm512_shuffle_f64x2(pair[i + j], pair[i + j + 2], 0x88);
      four[i + j + 2] = _mm512_shuffle_f64x2(pair[i + j], pair[i + j + 2], 0xDD);
    }
  }
#pragma GCC unroll 4
  for (unsigned j = 0; j < 4; ++j) {
    x[j] = _mm512_shuffle_f64x2(four[j], four[j + 4], 0x88);
    x[j + 4] = _mm512_shuffle_f64x2(four[j], four[j + 4], 0xDD);
  }
}

[[gnu::always_inline]] inline void transpose(__m512 (&x)[16]) {
  __m512 four[16], eight[16];
#pragma GCC unroll 4
  for (unsigned i = 0; i < 16; i += 4) {
    const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(x[i], x[i + 1]));
    const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(x[i], x[i + 1]));
    const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(x[i + 2], x[i + 3]));
    const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(x[i + 2], x[i + 3]));
    four[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
    four[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
    four[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
    four[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
  }
  // Column j of four rows lies in every lane of its own: lanes 0 and 2, then 1 and 3, of eight rows.
#pragma GCC unroll 4
  for (unsigned j = 0; j < 4; ++j) {
    eight[j] = _mm512_shuffle_f32x4(four[j], four[j + 4], 0x88);
    eight[j + 4] = _mm512_shuffle_f32x4(four[j], four[j + 4], 0xDD);
    eight[j + 8] = _mm512_shuffle_f32x4(four[j + 8], four[j + 12], 0x88);
    eight[j + 12] = _mm512_shuffle_f32x4(four[j + 8], four[j + 12], 0xDD);
  }
#pragma GCC unroll 8
  for (unsigned j = 0; j < 8; ++j) {
    x[j] = _mm512_shuffle_f32x4(eight[j], eight[j + 8], 0x88);
    x[j + 8] = _mm512_shuffle_f32x4(eight[j], eight[j + 8], 0xDD);
  }
}

// ---- the kernel ----------------------------------------------------------------------------------

void write(double* at, __mmask8 lanes, __m512d column) {
  _mm512_mask_storeu_pd(at, lanes, column);
}
void write(float* at, __mmask16 lanes, __m512 column) {
  _mm512_mask_storeu_ps(at, lanes, column);
}

template <class Float>
struct Square;
template <>
struct Square<double> {
  using Vector = __m512d;
  using Mask = __mmask8;
  static constexpr uint64_t kSide = 8;
};
template <>
struct Square<float> {
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr uint64_t kSide = 16;
};

template <class Source, class Float>
void load_few(const LoadTask& task) {
  auto* out = static_cast<Float*>(task.out);
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const char* at =
        static_cast<const char*>(task.rows) + static_cast<int64_t>(row) * task.row_stride;
    for (uint64_t feature = 0; feature < task.n_features; ++feature) {
      Source value;
      std::memcpy(&value, at + feature * sizeof value, sizeof value);
      out[feature * task.stride + row] = static_cast<Float>(value);
    }
  }
}

template <class Source, class Float>
void load(const LoadTask& task) {
  using Mask = typename Square<Float>::Mask;
  constexpr uint64_t kSide = Square<Float>::kSide;
  if (task.n_rows < kFewRows) return load_few<Source, Float>(task);
  for (uint64_t row = 0; row < task.n_rows; row += kSide) {
    const uint64_t rows_left = task.n_rows - row;
    const auto row_lanes = static_cast<Mask>(first_bits(rows_left));
    const char* first =
        static_cast<const char*>(task.rows) + static_cast<int64_t>(row) * task.row_stride;
    for (uint64_t i = 0; i < kSide; ++i) {
      const char* ahead = first + static_cast<int64_t>(kLoadRowsAhead + i) * task.row_stride;
      for (uint64_t at = 0; at < task.n_features * sizeof(Source); at += kLoadLineBytes) {
        _mm_prefetch(ahead + at, _MM_HINT_T0);
      }
    }
    for (uint64_t feature = 0; feature < task.n_features; feature += kSide) {
      const uint64_t features_left = task.n_features - feature;
      const auto lanes = static_cast<Mask>(first_bits(features_left));
      typename Square<Float>::Vector x[kSide];
#pragma GCC unroll 16
      for (uint64_t i = 0; i < kSide; ++i) {
        // Rows past the last one repeat it.
        const auto at = static_cast<int64_t>(i < rows_left ? i : rows_left - 1);
        x[i] = read(lanes, reinterpret_cast<const Source*>(first + at * task.row_stride) + feature,
                    Float{});
      }
      transpose(x);
      Float* out = static_cast<Float*>(task.out) + feature * task.stride + row;
#pragma GCC unroll 16
      for (uint64_t j = 0; j < kSide; ++j) {
        if (j < features_left) write(out + j * task.stride, row_lanes, x[j]);
      }
    }
  }
}

}  // namespace

void load_columns_f32_f32(const LoadTask& task) noexcept {
  load<float, float>(task);
}

void load_columns_f32_f64(const LoadTask& task) noexcept {
  load<float, double>(task);
}

void load_columns_f64_f32(const LoadTask& task) noexcept {
  load<double, float>(task);
}

void load_columns_f64_f64(const LoadTask& task) noexcept {
  load<double, double>(task);
}

}  // namespace cordwood::kernels::avx512
