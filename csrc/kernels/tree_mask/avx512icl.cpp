// tree_mask on AVX-512: the row's bins are one to four registers, so vpermb fetches the bins of 64
// nodes and one compare decides them; each 8 or 16 of the answers then mask one vpand.
//
// 500 trees of 31 leaves: 240 look-ups of 64 nodes and 960 masked ands, about 2 900 instructions.
// What binds is the stream of node bytes and masks from the L2, 90 KB for that model.
#include <immintrin.h>

#include "kernels/tree_mask/avx512icl.hpp"
#include "kernels/tree_mask/tree_mask.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

template <uint32_t kRegisters>
__mmask64 goes_right(const MaskModel& model, const Bins<kRegisters>& bins, uint64_t at) {
  const __m512i bin = bins.at(_mm512_loadu_si512(model.columns + at));
  return _mm512_cmpgt_epu8_mask(bin, _mm512_loadu_si512(model.ranks + at));
}

// The exponent of a power of two is the position of its bit.
__m512i lowest_bit_u32x16(__m512i word) {
  const __m512i single = _mm512_and_si512(word, _mm512_sub_epi32(_mm512_setzero_si512(), word));
  const __m512i exponent = _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepu32_ps(single)), 23);
  return _mm512_sub_epi32(exponent, _mm512_set1_epi32(127));
}

__m256i lowest_bit_u64x8(__m512i word) {
  const __m512i single = _mm512_and_si512(word, _mm512_sub_epi64(_mm512_setzero_si512(), word));
  const __m512i exponent = _mm512_srli_epi64(_mm512_castpd_si512(_mm512_cvtepu64_pd(single)), 52);
  return _mm512_cvtepi64_epi32(_mm512_sub_epi64(exponent, _mm512_set1_epi64(1023)));
}

// Lanes that go right at the category steps of a group lose their leaves.
[[gnu::always_inline]] inline __m512i clear_categories(const MaskModel& model,
                                                       const MaskGroup& group, const uint8_t* bins,
                                                       const uint32_t* keep, __m512i left) {
  for (uint32_t r = 0; r < group.n_runs; ++r) {
    const MaskRun& run = model.runs[group.first_run + r];
    const auto* right = reinterpret_cast<const uint16_t*>(model.bits + run.first_bit_byte) +
                        uint64_t{bins[run.column]} * run.n_steps;
    const uint32_t* mask = keep + uint64_t{run.first_step} * kMaskLanes32;
    for (uint32_t step = 0; step < run.n_steps; ++step) {
      left = _mm512_mask_and_epi32(left, right[step], left,
                                   _mm512_loadu_si512(mask + step * kMaskLanes32));
    }
  }
  return left;
}

[[gnu::always_inline]] inline __m512i clear_categories(const MaskModel& model,
                                                       const MaskGroup& group, const uint8_t* bins,
                                                       const uint64_t* keep, __m512i left) {
  for (uint32_t r = 0; r < group.n_runs; ++r) {
    const MaskRun& run = model.runs[group.first_run + r];
    const uint8_t* right =
        model.bits + run.first_bit_byte + uint64_t{bins[run.column]} * run.n_steps;
    const uint64_t* mask = keep + uint64_t{run.first_step} * kMaskLanes64;
    for (uint32_t step = 0; step < run.n_steps; ++step) {
      left = _mm512_mask_and_epi64(left, right[step], left,
                                   _mm512_loadu_si512(mask + step * kMaskLanes64));
    }
  }
  return left;
}

template <uint32_t kRegisters>
void mask_32(const MaskModel& model, const uint8_t* row_bins, uint32_t* leaves) {
  const Bins<kRegisters> bins(row_bins);
  const auto* keep = static_cast<const uint32_t*>(model.keep);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const MaskGroup& group = model.groups[g];
    __m512i left = _mm512_set1_epi32(-1);
    __m512i left_too = left;  // two chains: an and waits for the one before it
    const uint64_t first = uint64_t{group.first_step} * kMaskLanes32;
    const uint64_t end = first + uint64_t{group.n_steps} * kMaskLanes32;
    for (uint64_t at = first; at < end; at += 64) {
      const __mmask64 right = goes_right(model, bins, at);
      const __m512i* mask = reinterpret_cast<const __m512i*>(keep + at);
      left = _mm512_mask_and_epi32(left, static_cast<__mmask16>(right), left,
                                   _mm512_loadu_si512(mask));
      left_too = _mm512_mask_and_epi32(left_too, static_cast<__mmask16>(right >> 16), left_too,
                                       _mm512_loadu_si512(mask + 1));
      left = _mm512_mask_and_epi32(left, static_cast<__mmask16>(right >> 32), left,
                                   _mm512_loadu_si512(mask + 2));
      left_too = _mm512_mask_and_epi32(left_too, static_cast<__mmask16>(right >> 48), left_too,
                                       _mm512_loadu_si512(mask + 3));
    }
    left = _mm512_and_si512(left, left_too);
    left = clear_categories(model, group, row_bins, static_cast<const uint32_t*>(model.run_keep),
                            left);
    _mm512_storeu_si512(leaves + g * kMaskLanes32, lowest_bit_u32x16(left));
  }
}

template <uint32_t kRegisters>
void mask_64(const MaskModel& model, const uint8_t* row_bins, uint32_t* leaves) {
  const Bins<kRegisters> bins(row_bins);
  const auto* keep = static_cast<const uint64_t*>(model.keep);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const MaskGroup& group = model.groups[g];
    __m512i left = _mm512_set1_epi64(-1);
    __m512i left_too = left;
    const uint64_t first = uint64_t{group.first_step} * kMaskLanes64;
    const uint64_t end = first + uint64_t{group.n_steps} * kMaskLanes64;
    for (uint64_t at = first; at < end; at += 64) {
      const __mmask64 right = goes_right(model, bins, at);
      const __m512i* mask = reinterpret_cast<const __m512i*>(keep + at);
#pragma GCC unroll 4
      for (uint32_t i = 0; i < 8; i += 2) {
        left = _mm512_mask_and_epi64(left, static_cast<__mmask8>(right >> (8 * i)), left,
                                     _mm512_loadu_si512(mask + i));
        left_too = _mm512_mask_and_epi64(left_too, static_cast<__mmask8>(right >> (8 * i + 8)),
                                         left_too, _mm512_loadu_si512(mask + i + 1));
      }
    }
    left = _mm512_and_si512(left, left_too);
    left = clear_categories(model, group, row_bins, static_cast<const uint64_t*>(model.run_keep),
                            left);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(leaves + g * kMaskLanes64),
                        lowest_bit_u64x8(left));
  }
}

template <uint32_t kRegisters>
void mask_any(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) {
  if (model.lanes == kMaskLanes32) {
    mask_32<kRegisters>(model, bins, leaves);
  } else {
    mask_64<kRegisters>(model, bins, leaves);
  }
}

}  // namespace

void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept {
  if (model.n_columns <= 64) {
    mask_any<1>(model, bins, leaves);
  } else if (model.n_columns <= 128) {
    mask_any<2>(model, bins, leaves);
  } else {
    mask_any<4>(model, bins, leaves);
  }
}

}  // namespace cordwood::kernels::avx512icl
