// load_columns on AVX2: squares of 4 x 4 float64 or 8 x 8 float32 change sides in registers.
//
// 16 float64 values: 4 loads, 8 shuffles, 4 stores; 64 float32 values: 8 loads, 24 shuffles, 8 stores.
// What is left at the edges goes value by value.
#include <immintrin.h>

#include <cstring>

#include "kernels/load_columns/load_columns.hpp"

namespace cordwood::kernels::avx2 {
namespace {

// ---- reading one row's part of a square --------------------------------------------------------

__m256d read(const double* at, double) {
  return _mm256_loadu_pd(at);
}
__m256d read(const float* at, double) {
  return _mm256_cvtps_pd(_mm_loadu_ps(at));
}
__m256 read(const float* at, float) {
  return _mm256_loadu_ps(at);
}
__m256 read(const double* at, float) {
  return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(at + 4)),
                         _mm256_cvtpd_ps(_mm256_loadu_pd(at)));
}

void write(double* at, __m256d column) {
  _mm256_storeu_pd(at, column);
}
void write(float* at, __m256 column) {
  _mm256_storeu_ps(at, column);
}

// ---- changing sides ----------------------------------------------------------------------------

[[gnu::always_inline]] inline void transpose(__m256d (&x)[4]) {
  const __m256d low01 = _mm256_unpacklo_pd(x[0], x[1]), high01 = _mm256_unpackhi_pd(x[0], x[1]);
  const __m256d low23 = _mm256_unpacklo_pd(x[2], x[3]), high23 = _mm256_unpackhi_pd(x[2], x[3]);
  x[0] = _mm256_permute2f128_pd(low01, low23, 0x20);
  x[1] = _mm256_permute2f128_pd(high01, high23, 0x20);
  x[2] = _mm256_permute2f128_pd(low01, low23, 0x31);
  x[3] = _mm256_permute2f128_pd(high01, high23, 0x31);
}

[[gnu::always_inline]] inline void transpose(__m256 (&x)[8]) {
  __m256 four[8];
#pragma GCC unroll 2
  for (unsigned i = 0; i < 8; i += 4) {
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(x[i], x[i + 1]));
    const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(x[i], x[i + 1]));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(x[i + 2], x[i + 3]));
    const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(x[i + 2], x[i + 3]));
    four[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    four[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    four[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    four[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
  }
#pragma GCC unroll 4
  for (unsigned j = 0; j < 4; ++j) {
    x[j] = _mm256_permute2f128_ps(four[j], four[j + 4], 0x20);
    x[j + 4] = _mm256_permute2f128_ps(four[j], four[j + 4], 0x31);
  }
}

// ---- the kernel ----------------------------------------------------------------------------------

template <class Float>
struct Square;
template <>
struct Square<double> {
  using Vector = __m256d;
  static constexpr uint64_t kSide = 4;
};
template <>
struct Square<float> {
  using Vector = __m256;
  static constexpr uint64_t kSide = 8;
};

// Rows and features from the given ones on, value by value.
template <class Source, class Float>
void load_rest(const LoadTask& task, uint64_t first_row, uint64_t end_row, uint64_t first_feature) {
  auto* out = static_cast<Float*>(task.out);
  for (uint64_t row = first_row; row < end_row; ++row) {
    const char* at =
        static_cast<const char*>(task.rows) + static_cast<int64_t>(row) * task.row_stride;
    for (uint64_t feature = first_feature; feature < task.n_features; ++feature) {
      Source value;
      std::memcpy(&value, at + feature * sizeof value, sizeof value);
      out[feature * task.stride + row] = static_cast<Float>(value);
    }
  }
}

template <class Source, class Float>
void load(const LoadTask& task) {
  constexpr uint64_t kSide = Square<Float>::kSide;
  const uint64_t whole_features = task.n_features / kSide * kSide;
  uint64_t row = 0;
  for (; row + kSide <= task.n_rows; row += kSide) {
    const char* first =
        static_cast<const char*>(task.rows) + static_cast<int64_t>(row) * task.row_stride;
    for (uint64_t i = 0; i < kSide; ++i) {
      const char* ahead = first + static_cast<int64_t>(kLoadRowsAhead + i) * task.row_stride;
      for (uint64_t at = 0; at < task.n_features * sizeof(Source); at += kLoadLineBytes) {
        _mm_prefetch(ahead + at, _MM_HINT_T0);
      }
    }
    for (uint64_t feature = 0; feature < whole_features; feature += kSide) {
      typename Square<Float>::Vector x[kSide];
#pragma GCC unroll 8
      for (uint64_t i = 0; i < kSide; ++i) {
        const char* at = first + static_cast<int64_t>(i) * task.row_stride;
        x[i] = read(reinterpret_cast<const Source*>(at) + feature, Float{});
      }
      transpose(x);
      Float* out = static_cast<Float*>(task.out) + feature * task.stride + row;
#pragma GCC unroll 8
      for (uint64_t j = 0; j < kSide; ++j) write(out + j * task.stride, x[j]);
    }
    load_rest<Source, Float>(task, row, row + kSide, whole_features);
  }
  load_rest<Source, Float>(task, row, task.n_rows, 0);
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

}  // namespace cordwood::kernels::avx2
