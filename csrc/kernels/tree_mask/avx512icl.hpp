// One row's bins in registers, on AVX-512 with VBMI.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cordwood::kernels::avx512icl {
namespace {

// Bins of up to 64, 128 or 256 columns.
template <uint32_t kRegisters>
struct Bins {
  __m512i part[kRegisters];

  explicit Bins(const uint8_t* bins) {
    for (uint32_t i = 0; i < kRegisters; ++i) part[i] = _mm512_loadu_si512(bins + 64 * i);
  }

  [[gnu::always_inline]] __m512i at(__m512i column_u8x64) const {
    if constexpr (kRegisters == 1) {
      return _mm512_permutexvar_epi8(column_u8x64, part[0]);
    } else if constexpr (kRegisters == 2) {
      return _mm512_permutex2var_epi8(part[0], column_u8x64, part[1]);
    } else {
      return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column_u8x64),
                                    _mm512_permutex2var_epi8(part[0], column_u8x64, part[1]),
                                    _mm512_permutex2var_epi8(part[2], column_u8x64, part[3]));
    }
  }
};

}  // namespace
}  // namespace cordwood::kernels::avx512icl
