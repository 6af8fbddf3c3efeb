// Packed codes to bytes on avx512icl (layout: qmatmul.hpp).
#pragma once

#include <immintrin.h>

#include "kernels/qmatmul/qmatmul.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

/// Groups that are expanded together.
uint32_t groups_at_hand(const QmatmulWeights& weights, bool expands) noexcept {
  if (!expands) return weights.n_groups;
  const uint32_t fit = kExpandSteps / weights.group_steps;
  return fit < 1 ? 1 : fit < weights.n_groups ? fit : weights.n_groups;
}

/// Steps of 4, 3 or 2 bits to bytes.
void expand(const uint8_t* packed, uint32_t bits, uint32_t n_steps, uint8_t* steps) noexcept {
  const auto store = [&](uint32_t step, uint32_t half, __m512i codes) {
    _mm512_store_si512(steps + uint64_t{step} * kStepBytes + half, codes);
  };
  const auto row = [&](uint32_t index, uint32_t half) {
    return _mm512_loadu_si512(packed + uint64_t{index} * kStepBytes + half);
  };
  for (uint32_t half = 0; half < kStepBytes; half += 64) {
    if (bits == 4) {
      const __m512i mask = _mm512_set1_epi8(15);
      for (uint32_t step = 0; step < n_steps; step += 2) {
        const __m512i codes = row(step / 2, half);
        store(step, half, _mm512_and_si512(codes, mask));
        store(step + 1, half, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
      }
      continue;
    }
    const __m512i mask = _mm512_set1_epi8(3);
    const __m512i top = _mm512_set1_epi8(4);
    for (uint32_t step = 0; step < n_steps; step += 8) {
      const uint32_t first = bits == 3 ? step / 8 * 3 : step / 4;
      const __m512i high = bits == 3 ? row(first + 2, half) : _mm512_setzero_si512();
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 8; ++i) {
        const __m512i low =
            _mm512_and_si512(_mm512_srli_epi16(row(first + i / 4, half), i % 4 * 2), mask);
        // Bit i of `high` to bit 2: up for the first two, down for the others.
        const __m512i bit = i < 2 ? _mm512_slli_epi16(high, 2 - i) : _mm512_srli_epi16(high, i - 2);
        store(step + i, half, bits == 3 ? _mm512_or_si512(low, _mm512_and_si512(bit, top)) : low);
      }
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx512icl
