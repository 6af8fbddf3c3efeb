// tree_mask on AVX2: pshufb fetches the bins of 32 nodes, 16 columns at a time; each 4 or 8 of the
// answers widen to a mask of lanes.
//
// 500 trees of 31 leaves on 28 columns: 480 look-ups of 32 nodes (2 shuffles each) and 1 920 times
// widen, or, and: about 12 000 instructions. Beyond 32 columns a look-up grows by four instructions
// for every 16 more.
#include <immintrin.h>

#include "kernels/tree_mask/avx2.hpp"
#include "kernels/tree_mask/tree_mask.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint32_t kNodes = 32;  // decided at once

// Words of ones where bytes `node`, `node` + 1, ... of 16 are ones. Both lanes of `stays` are the same.
__m256i widen(const uint32_t*, __m256i stays, uint32_t node) {
  const __m256i next = _mm256_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404,
                                         0x05050505, 0x06060606, 0x07070707);
  return _mm256_shuffle_epi8(stays,
                             _mm256_add_epi8(next, _mm256_set1_epi8(static_cast<char>(node))));
}
__m256i widen(const uint64_t*, __m256i stays, uint32_t node) {
  const __m256i next =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  return _mm256_shuffle_epi8(stays,
                             _mm256_add_epi8(next, _mm256_set1_epi8(static_cast<char>(node))));
}

// The exponent of a power of two is the position of its bit. The top bit becomes a negative number,
// whose sign is masked off.
void store_lowest_bits(const uint32_t* words, uint32_t lanes, uint32_t* leaves) {
  for (uint32_t lane = 0; lane < lanes; lane += 8) {
    const __m256i word = load(words + lane);
    const __m256i single = _mm256_and_si256(word, _mm256_sub_epi32(_mm256_setzero_si256(), word));
    const __m256i power = _mm256_castps_si256(_mm256_cvtepi32_ps(single));
    const __m256i exponent = _mm256_and_si256(_mm256_srli_epi32(power, 23), _mm256_set1_epi32(255));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(leaves + lane),
                        _mm256_sub_epi32(exponent, _mm256_set1_epi32(127)));
  }
}

void store_lowest_bits(const uint64_t* words, uint32_t lanes, uint32_t* leaves) {
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    leaves[lane] = static_cast<uint32_t>(__builtin_ctzll(words[lane]));
  }
}

// Words of ones where the bits of `right` are zeros, from the lowest bit on.
__m256i where_clear(const uint32_t*, uint32_t right) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(right)), bit);
  return _mm256_cmpeq_epi32(set, _mm256_setzero_si256());
}
__m256i where_clear(const uint64_t*, uint32_t right) {
  const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi64x(right), bit);
  return _mm256_cmpeq_epi64(set, _mm256_setzero_si256());
}

// Lanes that go right at the category steps of a group lose their leaves.
template <class Word>
void clear_categories(const MaskModel& model, const MaskGroup& group, const uint8_t* bins,
                      __m256i& low, __m256i& high) {
  constexpr uint32_t kLanes = 64 / sizeof(Word);
  constexpr uint32_t kBytes = kLanes / 8;
  const auto* keep = static_cast<const Word*>(model.run_keep);
  for (uint32_t r = 0; r < group.n_runs; ++r) {
    const MaskRun& run = model.runs[group.first_run + r];
    const uint8_t* bits =
        model.bits + run.first_bit_byte + uint64_t{bins[run.column]} * run.n_steps * kBytes;
    const Word* mask = keep + uint64_t{run.first_step} * kLanes;
    for (uint32_t step = 0; step < run.n_steps; ++step, bits += kBytes, mask += kLanes) {
      const uint32_t right = kBytes == 2 ? bits[0] | uint32_t{bits[kBytes - 1]} << 8 : bits[0];
      low = _mm256_and_si256(low, _mm256_or_si256(load(mask), where_clear(mask, right)));
      high = _mm256_and_si256(
          high, _mm256_or_si256(load(mask + kLanes / 2), where_clear(mask, right >> (kLanes / 2))));
    }
  }
}

// Both kinds of group have 64 bytes of words: two registers.
template <uint32_t kTables, class Word>
void mask_groups(const MaskModel& model, const uint8_t* row_bins, uint32_t* leaves) {
  constexpr uint32_t kLanes = 64 / sizeof(Word);
  constexpr uint32_t kHalf = kLanes / 2;
  const Bins<kTables> bins(row_bins);
  const auto* keep = static_cast<const Word*>(model.keep);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const MaskGroup& group = model.groups[g];
    __m256i low = _mm256_set1_epi64x(-1);
    __m256i high = low;
    const uint64_t first = uint64_t{group.first_step} * kLanes;
    const uint64_t end = first + uint64_t{group.n_steps} * kLanes;
    for (uint64_t at = first; at < end; at += kNodes) {
      const __m256i stays = stays_left(bins, model.columns + at, model.ranks + at);
      const __m256i half[2] = {_mm256_permute4x64_epi64(stays, 0x44),
                               _mm256_permute4x64_epi64(stays, 0xEE)};
#pragma GCC unroll 4
      for (uint32_t i = 0; i < kNodes; i += kLanes) {
        const Word* mask = keep + at + i;
        const uint32_t node = i % 16;
        low = _mm256_and_si256(low, _mm256_or_si256(load(mask), widen(keep, half[i / 16], node)));
        high = _mm256_and_si256(
            high, _mm256_or_si256(load(mask + kHalf), widen(keep, half[i / 16], node + kHalf)));
      }
    }
    clear_categories<Word>(model, group, row_bins, low, high);
    alignas(32) Word words[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(words), low);
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + kHalf), high);
    store_lowest_bits(words, kLanes, leaves + g * kLanes);
  }
}

template <uint32_t kTables>
void mask_any(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) {
  if (model.lanes == kMaskLanes32) {
    mask_groups<kTables, uint32_t>(model, bins, leaves);
  } else {
    mask_groups<kTables, uint64_t>(model, bins, leaves);
  }
}

}  // namespace

void tree_mask_u8(const MaskModel& model, const uint8_t* bins, uint32_t* leaves) noexcept {
  if (model.n_columns <= 32) {
    mask_any<2>(model, bins, leaves);
  } else if (model.n_columns <= 64) {
    mask_any<4>(model, bins, leaves);
  } else if (model.n_columns <= 128) {
    mask_any<8>(model, bins, leaves);
  } else {
    mask_any<16>(model, bins, leaves);
  }
}

}  // namespace cordwood::kernels::avx2
