// tree_bin on AVX-512 with VBMI2: one shift over two numbers takes the place of three instructions a
// level of the search by keys. Columns without keys go as on avx512.
#include <immintrin.h>

#include "kernels/tree_bin/avx512_keys.hpp"
#include "kernels/tree_bin/tree_bin.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

struct ShiftIn {
  [[gnu::always_inline]] static __m512i append(__m512i slot, __m512i smaller) {
    return _mm512_shldi_epi32(slot, smaller, 1);
  }
};

template <class Float, class Bin>
bool by_keys(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  return column.keys != nullptr && avx512::bin_by_keys<ShiftIn>(values, n_rows, column, bins);
}

}  // namespace

void tree_bin_f32_u8(const float* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  if (by_keys(values, n_rows, column, bins)) return;
  avx512::tree_bin_f32_u8(values, n_rows, column, bins);
}

void tree_bin_f32_u16(const float* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  if (by_keys(values, n_rows, column, bins)) return;
  avx512::tree_bin_f32_u16(values, n_rows, column, bins);
}

void tree_bin_f64_u8(const double* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  if (by_keys(values, n_rows, column, bins)) return;
  avx512::tree_bin_f64_u8(values, n_rows, column, bins);
}

void tree_bin_f64_u16(const double* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  if (by_keys(values, n_rows, column, bins)) return;
  avx512::tree_bin_f64_u16(values, n_rows, column, bins);
}

}  // namespace cordwood::kernels::avx512icl
