// tree_bin on AVX-512 by integer keys: numeric columns of up to 255 cuts.
//
// A compare that goes to a mask and from there into an addition takes nine cycles of latency (Zen 5); a
// subtraction whose sign is shifted down and added takes fewer, and no mask. A level is a look-up in one
// or more registers and six instructions for 16 values, a chain of some 13 cycles. Latency binds: four
// registers of values go side by side, and share what is read of the tables.
//
// The key of a float32 says all; that of a float64 is its upper half. The least difference met on the
// way down tells whether a cut has the same key: then whole numbers are compared.
#pragma once

#include <immintrin.h>

#include "kernels/tree_bin/tree_bin.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr unsigned kSets = 4;  // of 16 values, side by side
constexpr uint64_t kSearchRows = 16 * kSets;

// A register of 32-bit numbers for each set.
struct Sets {
  __m512i of[kSets];
};

[[gnu::always_inline]] inline Sets all_sets(int number) {
  Sets sets;
#pragma GCC unroll 4
  for (__m512i& set : sets.of) set = _mm512_set1_epi32(number);
  return sets;
}

// Keys of 32 neighbouring slots from two registers, by the slot's low five bits.
[[gnu::always_inline]] inline Sets pick32(const int32_t* p, const Sets& slot) {
  const __m512i first = _mm512_load_si512(p);
  const __m512i second = _mm512_load_si512(p + 16);
  Sets key;
#pragma GCC unroll 4
  for (unsigned i = 0; i < kSets; ++i) {
    key.of[i] = _mm512_permutex2var_epi32(first, slot.of[i], second);
  }
  return key;
}

// `yes` where bit `kBit` of the slot is set, else `no`.
template <int kBit>
[[gnu::always_inline]] inline Sets choose(const Sets& slot, const Sets& no, const Sets& yes) {
  Sets key;
#pragma GCC unroll 4
  for (unsigned i = 0; i < kSets; ++i) {
    const __m512i ones = _mm512_srai_epi32(_mm512_slli_epi32(slot.of[i], 31 - kBit), 31);
    key.of[i] = _mm512_ternarylogic_epi32(ones, yes.of[i], no.of[i], 0xCA);
  }
  return key;
}

template <uint32_t kLevel>
[[gnu::always_inline]] inline Sets key_at(const int32_t* keys, const Sets& slot) {
  if constexpr (kLevel <= 4) {
    const __m512i table = _mm512_load_si512(keys + (kLevel <= 3 ? 0 : 16));
    Sets key;
#pragma GCC unroll 4
    for (unsigned i = 0; i < kSets; ++i) {
      key.of[i] = _mm512_permutexvar_epi32(slot.of[i], table);
    }
    return key;
  } else if constexpr (kLevel == 5) {
    return pick32(keys + 32, slot);
  } else if constexpr (kLevel == 6) {
    return choose<5>(slot, pick32(keys + 64, slot), pick32(keys + 96, slot));
  } else {
    return choose<6>(slot, choose<5>(slot, pick32(keys + 128, slot), pick32(keys + 160, slot)),
                     choose<5>(slot, pick32(keys + 192, slot), pick32(keys + 224, slot)));
  }
}

// How a slot takes the answer, the sign of `smaller`, as its last bit.
struct AddSign {
  [[gnu::always_inline]] static __m512i append(__m512i slot, __m512i smaller) {
    return _mm512_add_epi32(_mm512_add_epi32(slot, slot), _mm512_srli_epi32(smaller, 31));
  }
};

// To the right where the cut is smaller. The difference tells so by its sign where both numbers have the
// same one; where they have not, the cut does. 0xB2 is that choice, of cut, key and difference.
template <class Append, uint32_t kDepth, uint32_t kLevel = 0>
[[gnu::always_inline]] inline void search(const int32_t* keys, const Sets& key, Sets& slot,
                                          Sets& least) {
  if constexpr (kLevel < kDepth) {
    const Sets cut = key_at<kLevel>(keys, slot);
#pragma GCC unroll 4
    for (unsigned i = 0; i < kSets; ++i) {
      const __m512i difference = _mm512_sub_epi32(cut.of[i], key.of[i]);
      const __m512i smaller = _mm512_ternarylogic_epi32(cut.of[i], key.of[i], difference, 0xB2);
      slot.of[i] = Append::append(slot.of[i], smaller);
      least.of[i] = _mm512_min_epu32(least.of[i], difference);
    }
    search<Append, kDepth, kLevel + 1>(keys, key, slot, least);
  }
}

// cordwood_bin_key of 16 numbers.
[[gnu::always_inline]] inline __m512i key_of(__m512i bits) {
  return _mm512_xor_si512(bits, _mm512_srli_epi32(_mm512_srai_epi32(bits, 31), 1));
}

[[gnu::always_inline]] inline __mmask8 near_zero(__m512d x, __m512d band) {
  return _mm512_cmp_pd_mask(_mm512_abs_pd(x), band, _CMP_LE_OQ);
}

// 16 values: `of` reads a register of them, `keys` are theirs, `missing` those that count as NaN.
// Adding zero turns -0.0 into 0.0.
struct Sixteen32 {
  __m512 x;

  Sixteen32(__mmask16 lanes, const float* values) : x(_mm512_maskz_loadu_ps(lanes, values)) {}
  [[gnu::always_inline]] __m512i keys() const {
    return key_of(_mm512_castps_si512(_mm512_add_ps(x, _mm512_setzero_ps())));
  }
  template <bool kBand>
  [[gnu::always_inline]] __mmask16 missing(double band) const {
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    if constexpr (!kBand) return nan;
    const __m512d limit = _mm512_set1_pd(band);
    return static_cast<__mmask16>(
        nan | _mm512_kunpackb(near_zero(_mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)), limit),
                              near_zero(_mm512_cvtps_pd(_mm512_castps512_ps256(x)), limit)));
  }
};

struct Sixteen64 {
  __m512d low, high;

  Sixteen64(__mmask16 lanes, const double* values)
      : low(_mm512_maskz_loadu_pd(static_cast<__mmask8>(lanes), values)),
        high(_mm512_maskz_loadu_pd(static_cast<__mmask8>(lanes >> 8), values + 8)) {}
  [[gnu::always_inline]] __m512i keys() const {
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m512d zero = _mm512_setzero_pd();
    return key_of(_mm512_permutex2var_epi32(_mm512_castpd_si512(_mm512_add_pd(low, zero)), odd,
                                            _mm512_castpd_si512(_mm512_add_pd(high, zero))));
  }
  template <bool kBand>
  [[gnu::always_inline]] __mmask16 missing(double band) const {
    const __mmask16 nan = _mm512_kunpackb(_mm512_cmp_pd_mask(high, high, _CMP_UNORD_Q),
                                          _mm512_cmp_pd_mask(low, low, _CMP_UNORD_Q));
    if constexpr (!kBand) return nan;
    const __m512d limit = _mm512_set1_pd(band);
    return static_cast<__mmask16>(nan |
                                  _mm512_kunpackb(near_zero(high, limit), near_zero(low, limit)));
  }
};

template <class Float>
struct SixteenOf;
template <>
struct SixteenOf<float> {
  using Type = Sixteen32;
};
template <>
struct SixteenOf<double> {
  using Type = Sixteen64;
};

// The search stops before the first cut of an equal key: steps over those that are below.
template <class Bin>
[[gnu::noinline]] void finish_equal(uint64_t open, const double* values, const BinColumn& column,
                                    Bin* bins) {
  const auto* sorted = static_cast<const double*>(column.sorted);
  for (; open != 0; open &= open - 1) {
    const auto at = static_cast<unsigned>(__builtin_ctzll(open));
    uint32_t bin = bins[at];
    while (bin < column.count && values[at] > sorted[bin]) ++bin;
    bins[at] = static_cast<Bin>(bin);
  }
}

// Whole registers go without a mask: narrowing under one is slow where it goes to memory.
[[gnu::always_inline]] inline void put(uint8_t* out, __mmask16 lanes, __m512i bin) {
  const __m128i narrow = _mm512_cvtepi32_epi8(bin);
  if (lanes == 0xFFFF) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), narrow);
  } else {
    _mm_mask_storeu_epi8(out, lanes, narrow);
  }
}
[[gnu::always_inline]] inline void put(uint16_t* out, __mmask16 lanes, __m512i bin) {
  const __m256i narrow = _mm512_cvtepi32_epi16(bin);
  if (lanes == 0xFFFF) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), narrow);
  } else {
    _mm256_mask_storeu_epi16(out, lanes, narrow);
  }
}

template <class Append, bool kBand, uint32_t kDepth, class Float, class Bin>
void search_rows(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  using Sixteen = typename SixteenOf<Float>::Type;
  const __m512i first_rank = _mm512_set1_epi32(1 << kDepth);
  const __m512i missing_bin = _mm512_set1_epi32(static_cast<int>(column.missing_bin));
  for (uint64_t row = 0; row < n_rows; row += kSearchRows) {
    const uint64_t left = n_rows - row;
    const uint64_t rows = left >= kSearchRows ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    Sets key;
    uint64_t missing = 0;
#pragma GCC unroll 4
    for (unsigned i = 0; i < kSets; ++i) {
      const Sixteen x(static_cast<__mmask16>(rows >> (16 * i)), values + row + 16 * i);
      key.of[i] = x.keys();
      missing |= uint64_t{x.template missing<kBand>(column.zero_band)} << (16 * i);
    }
    Sets slot = all_sets(1);
    Sets least = all_sets(-1);
    search<Append, kDepth>(column.keys, key, slot, least);
    uint64_t equal = 0;
#pragma GCC unroll 4
    for (unsigned i = 0; i < kSets; ++i) {
      const __m512i rank = _mm512_sub_epi32(slot.of[i], first_rank);
      put(bins + row + 16 * i, static_cast<__mmask16>(rows >> (16 * i)),
          _mm512_mask_mov_epi32(rank, static_cast<__mmask16>(missing >> (16 * i)), missing_bin));
      equal |= uint64_t{_mm512_testn_epi32_mask(least.of[i], least.of[i])} << (16 * i);
    }
    if constexpr (sizeof(Float) == 8) {
      equal &= rows & ~missing;
      if (equal != 0) finish_equal(equal, values + row, column, bins + row);
    }
  }
}

template <class Append, uint32_t kDepth, class Float, class Bin>
bool search_depth(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  if (column.zero_band < 0.0) {
    search_rows<Append, false, kDepth>(values, n_rows, column, bins);
  } else {
    search_rows<Append, true, kDepth>(values, n_rows, column, bins);
  }
  return true;
}

/// False where the column has another depth than these.
template <class Append, class Float, class Bin>
bool bin_by_keys(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  switch (column.depth) {
    case 1:
      return search_depth<Append, 1>(values, n_rows, column, bins);
    case 2:
      return search_depth<Append, 2>(values, n_rows, column, bins);
    case 3:
      return search_depth<Append, 3>(values, n_rows, column, bins);
    case 4:
      return search_depth<Append, 4>(values, n_rows, column, bins);
    case 5:
      return search_depth<Append, 5>(values, n_rows, column, bins);
    case 6:
      return search_depth<Append, 6>(values, n_rows, column, bins);
    case 7:
      return search_depth<Append, 7>(values, n_rows, column, bins);
    case 8:
      return search_depth<Append, 8>(values, n_rows, column, bins);
    default:
      return false;
  }
}

}  // namespace
}  // namespace cordwood::kernels::avx512
