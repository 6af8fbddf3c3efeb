// tree_bin on AVX2: a binary search whose top levels are register look-ups.
//
// Eight slots of a column lie in one register: levels 0 to 2 are one permute, level 3 another, and
// level 4 takes two, 5 four, 6 eight, chosen by blends. Deeper levels gather, which costs more than a
// dozen permutes but less than thirty. About 70 instructions and one gather for 8 values of 255 cuts.
// float64 columns of up to 255 cuts search the upper halves of the numbers, 8 to a register like
// float32, and ask the whole numbers only where halves are equal, which data seldom are. Longer
// float64 columns, and their categories, gather whole numbers, 4 at a time.
#include <immintrin.h>

#include "format/operators.h"
#include "kernels/tree_bin/tree_bin.hpp"

namespace cordwood::kernels::avx2 {
namespace {

constexpr uint64_t kLanes32 = 8;
constexpr uint64_t kLanes64 = 4;

__m256i load(const void* p) {
  return _mm256_load_si256(static_cast<const __m256i*>(p));
}
__m256i all32(uint32_t n) {
  return _mm256_set1_epi32(static_cast<int>(n));
}
__m256i choose(__m256i lanes, __m256i no, __m256i yes) {
  return _mm256_blendv_epi8(no, yes, lanes);
}

// Lanes below `n`, as a mask for loads.
__m256i first32(uint64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(all32(n < kLanes32 ? static_cast<uint32_t>(n) : kLanes32), lane);
}
__m256i first64(uint64_t n) {
  const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n < kLanes64 ? static_cast<int64_t>(n) : 4), lane);
}

// ---- the 32-bit entry of a slot, 8 slots -------------------------------------------------------

// Bit `kBit` of each slot chooses between two entries.
template <int kBit>
__m256i choose_by(__m256i slot, __m256i no, __m256i yes) {
  return _mm256_castps_si256(
      _mm256_blendv_ps(_mm256_castsi256_ps(no), _mm256_castsi256_ps(yes),
                       _mm256_castsi256_ps(_mm256_slli_epi32(slot, 31 - kBit))));
}

// One of 8, 16, 32 neighbouring entries, by the slot's low bits.
__m256i pick8(const int32_t* p, __m256i slot) {
  return _mm256_permutevar8x32_epi32(load(p), slot);
}
__m256i pick16(const int32_t* p, __m256i slot) {
  return choose_by<3>(slot, pick8(p, slot), pick8(p + 8, slot));
}
__m256i pick32(const int32_t* p, __m256i slot) {
  return choose_by<4>(slot, pick16(p, slot), pick16(p + 16, slot));
}

[[gnu::always_inline]] inline __m256i entry_at(const int32_t* levels, uint32_t level,
                                               __m256i slot) {
  switch (level) {
    case 0:
    case 1:
    case 2:
      return pick8(levels, slot);
    case 3:
      return pick8(levels + 8, slot);
    case 4:
      return pick16(levels + 16, slot);
    case 5:
      return pick32(levels + 32, slot);
    case 6:
      return choose_by<5>(slot, pick32(levels + 64, slot), pick32(levels + 96, slot));
    default:
      return _mm256_i32gather_epi32(reinterpret_cast<const int*>(levels), slot, 4);
  }
}

// Bins of 8 rows, one in 32 bits, or those of the first `n` of them.
__m128i narrow(__m256i bin_u32x8) {
  return _mm_packus_epi32(_mm256_castsi256_si128(bin_u32x8),
                          _mm256_extracti128_si256(bin_u32x8, 1));
}
void store(uint16_t* out, uint64_t n, __m128i bin_u16x8) {
  if (n >= kLanes32) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bin_u16x8);
  alignas(16) uint16_t bins[kLanes32];
  _mm_store_si128(reinterpret_cast<__m128i*>(bins), bin_u16x8);
  for (uint64_t i = 0; i < n; ++i) out[i] = bins[i];
}
void store(uint8_t* out, uint64_t n, __m128i bin_u16x8) {
  const __m128i bin = _mm_packus_epi16(bin_u16x8, bin_u16x8);
  if (n >= kLanes32) return _mm_storel_epi64(reinterpret_cast<__m128i*>(out), bin);
  alignas(16) uint8_t bins[2 * kLanes32];
  _mm_store_si128(reinterpret_cast<__m128i*>(bins), bin);
  for (uint64_t i = 0; i < n; ++i) out[i] = bins[i];
}

// ---- float64, 4 values -----------------------------------------------------------------------

struct F64 {
  using Scalar = double;
  using Vector = __m256d;
  static constexpr uint64_t kLanes = kLanes64;

  static Vector load(const double* p, uint64_t n) { return _mm256_maskload_pd(p, first64(n)); }
  static __m256i all(uint32_t n) { return _mm256_set1_epi64x(n); }

  static __m256i descend(const double* levels, uint32_t, __m256i slot, Vector x) {
    const Vector cut = _mm256_i64gather_pd(levels, slot, 8);
    const __m256i right = _mm256_castpd_si256(_mm256_cmp_pd(x, cut, _CMP_GT_OQ));
    return _mm256_sub_epi64(_mm256_add_epi64(slot, slot), right);
  }

  static __m256i subtract(__m256i slot, uint32_t n) { return _mm256_sub_epi64(slot, all(n)); }
  static __m256i missing(Vector x, double band) {
    const Vector size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
    return _mm256_castpd_si256(_mm256_or_pd(_mm256_cmp_pd(x, x, _CMP_UNORD_Q),
                                            _mm256_cmp_pd(size, _mm256_set1_pd(band), _CMP_LE_OQ)));
  }
  static Vector whole(uint32_t rule, Vector x) {
    if (rule == CORDWOOD_CATEGORY_EXACT) return x;
    return rule == CORDWOOD_CATEGORY_FLOOR ? _mm256_floor_pd(x)
                                           : _mm256_round_pd(x, _MM_FROUND_TO_ZERO);
  }
  // Lanes whose value is the listed one at `position`, of those with a position below `count`.
  static __m256i listed(const double* sorted, uint32_t count, __m256i position, Vector value) {
    const Vector inside = _mm256_castsi256_pd(_mm256_cmpgt_epi64(all(count), position));
    const Vector there = _mm256_mask_i64gather_pd(_mm256_setzero_pd(), sorted, position, inside, 8);
    return _mm256_castpd_si256(_mm256_and_pd(inside, _mm256_cmp_pd(there, value, _CMP_EQ_OQ)));
  }
  static __m128i narrow(__m256i bin_u64x4) {
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    const __m128i bin = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(bin_u64x4, even));
    return _mm_packus_epi32(bin, bin);
  }
};

// ---- float32, 8 values -----------------------------------------------------------------------

struct F32 {
  using Scalar = float;
  using Vector = __m256;
  static constexpr uint64_t kLanes = kLanes32;

  static Vector load(const float* p, uint64_t n) { return _mm256_maskload_ps(p, first32(n)); }
  static __m256i all(uint32_t n) { return all32(n); }

  [[gnu::always_inline]] static __m256i descend(const float* levels, uint32_t level, __m256i slot,
                                                Vector x) {
    const __m256i cut = entry_at(reinterpret_cast<const int32_t*>(levels), level, slot);
    const __m256i right =
        _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_castsi256_ps(cut), _CMP_GT_OQ));
    return _mm256_sub_epi32(_mm256_add_epi32(slot, slot), right);
  }

  static __m256i subtract(__m256i slot, uint32_t n) { return _mm256_sub_epi32(slot, all(n)); }
  // The band is a double: values are compared with it as doubles, four at a time.
  static __m256i missing(Vector x, double band) {
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    if (band < 0.0) return nan;
    const __m256i low = F64::missing(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), band);
    const __m256i high = F64::missing(_mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)), band);
    // Packing puts lane halves side by side: quarters 0 2 1 3.
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
  }
  static Vector whole(uint32_t rule, Vector x) {
    if (rule == CORDWOOD_CATEGORY_EXACT) return x;
    return rule == CORDWOOD_CATEGORY_FLOOR ? _mm256_floor_ps(x)
                                           : _mm256_round_ps(x, _MM_FROUND_TO_ZERO);
  }
  static __m256i listed(const float* sorted, uint32_t count, __m256i position, Vector value) {
    const Vector inside = _mm256_castsi256_ps(_mm256_cmpgt_epi32(all(count), position));
    const Vector there = _mm256_mask_i32gather_ps(_mm256_setzero_ps(), sorted, position, inside, 4);
    return _mm256_castps_si256(_mm256_and_ps(inside, _mm256_cmp_ps(there, value, _CMP_EQ_OQ)));
  }
  static __m128i narrow(__m256i bin_u32x8) { return avx2::narrow(bin_u32x8); }
};

// ---- the kernel ------------------------------------------------------------------------------

// kDepth > 0 fixes the number of levels, so that the search unrolls.
template <class Isa, uint32_t kDepth, class Bin>
void bin_rows(const typename Isa::Scalar* values, uint64_t n_rows, const BinColumn& column,
              Bin* bins) {
  const auto* levels = static_cast<const typename Isa::Scalar*>(column.levels);
  const auto* sorted = static_cast<const typename Isa::Scalar*>(column.sorted);
  const bool category = column.category != 0;
  const uint32_t depth = kDepth != 0 ? kDepth : column.depth;
  for (uint64_t row = 0; row < n_rows; row += Isa::kLanes) {
    const uint64_t left = n_rows - row < Isa::kLanes ? n_rows - row : Isa::kLanes;
    const auto x = Isa::load(values + row, left);
    const auto value = category ? Isa::whole(column.rule, x) : x;
    __m256i slot = Isa::all(1);
#pragma GCC unroll 8
    for (uint32_t level = 0; level < depth; ++level) {
      slot = Isa::descend(levels, level, slot, value);
    }
    __m256i bin = Isa::subtract(slot, 1u << depth);
    if (category) {
      const __m256i found = Isa::listed(sorted, column.count, bin, value);
      bin = choose(found, Isa::all(column.other_bin), bin);
    }
    bin = choose(Isa::missing(x, column.zero_band), bin, Isa::all(column.missing_bin));
    store(bins + row, left, Isa::narrow(bin));
  }
}

// ---- float64 by upper halves, 8 values ---------------------------------------------------------

// The odd 32-bit quarters of two registers, in row order.
__m256i upper_halves(__m256d low, __m256d high) {
  const __m256 both = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0xDD);
  return _mm256_permute4x64_epi64(_mm256_castps_si256(both), 0xD8);
}

// cordwood_bin_key of 8 numbers. Adding zero turns -0.0 into 0.0.
__m256i keys_of(__m256d low, __m256d high) {
  const __m256d zero = _mm256_setzero_pd();
  const __m256i upper = upper_halves(_mm256_add_pd(low, zero), _mm256_add_pd(high, zero));
  return _mm256_xor_si256(upper, _mm256_srli_epi32(_mm256_srai_epi32(upper, 31), 1));
}

template <uint32_t kDepth, class Bin>
void bin_by_keys(const double* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  const auto* sorted = static_cast<const double*>(column.sorted);
  for (uint64_t row = 0; row < n_rows; row += kLanes32) {
    const uint64_t left = n_rows - row < kLanes32 ? n_rows - row : kLanes32;
    const __m256d low = F64::load(values + row, left);
    const __m256d high =
        left > kLanes64 ? F64::load(values + row + kLanes64, left - kLanes64) : low;
    const __m256i key = keys_of(low, high);
    __m256i slot = all32(1);
    __m256i equal = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (uint32_t level = 0; level < kDepth; ++level) {
      const __m256i cut = entry_at(column.keys, level, slot);
      equal = _mm256_or_si256(equal, _mm256_cmpeq_epi32(key, cut));
      slot = _mm256_sub_epi32(_mm256_add_epi32(slot, slot), _mm256_cmpgt_epi32(key, cut));
    }
    const __m256i missing = upper_halves(_mm256_castsi256_pd(F64::missing(low, column.zero_band)),
                                         _mm256_castsi256_pd(F64::missing(high, column.zero_band)));
    const __m256i rank = _mm256_sub_epi32(slot, all32(1u << kDepth));
    store(bins + row, left, narrow(choose(missing, rank, all32(column.missing_bin))));
    // The search stops before the first cut of an equal key: step over those that are below.
    const __m256i open_lanes = _mm256_andnot_si256(missing, equal);
    auto open = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(open_lanes)));
    for (open &= (1u << left) - 1; open != 0; open &= open - 1) {
      const uint64_t at = row + static_cast<uint64_t>(__builtin_ctz(open));
      uint32_t bin = bins[at];
      while (bin < column.count && values[at] > sorted[bin]) ++bin;
      bins[at] = static_cast<Bin>(bin);
    }
  }
}

// ---- which search ----------------------------------------------------------------------------

template <class Bin>
void bin_column(const double* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  if (column.keys == nullptr) return bin_rows<F64, 0>(values, n_rows, column, bins);
  switch (column.depth) {
    case 4:
      return bin_by_keys<4>(values, n_rows, column, bins);
    case 5:
      return bin_by_keys<5>(values, n_rows, column, bins);
    case 6:
      return bin_by_keys<6>(values, n_rows, column, bins);
    case 7:
      return bin_by_keys<7>(values, n_rows, column, bins);
    case 8:
      return bin_by_keys<8>(values, n_rows, column, bins);
    default:
      return bin_rows<F64, 0>(values, n_rows, column, bins);
  }
}

template <class Bin>
void bin_column(const float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  switch (column.depth) {
    case 4:
      return bin_rows<F32, 4>(values, n_rows, column, bins);
    case 5:
      return bin_rows<F32, 5>(values, n_rows, column, bins);
    case 6:
      return bin_rows<F32, 6>(values, n_rows, column, bins);
    case 7:
      return bin_rows<F32, 7>(values, n_rows, column, bins);
    case 8:
      return bin_rows<F32, 8>(values, n_rows, column, bins);
    default:
      return bin_rows<F32, 0>(values, n_rows, column, bins);
  }
}

}  // namespace

void tree_bin_f32_u8(const float* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_column(values, n_rows, column, bins);
}

void tree_bin_f64_u8(const double* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_column(values, n_rows, column, bins);
}

void tree_bin_f32_u16(const float* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_column(values, n_rows, column, bins);
}

void tree_bin_f64_u16(const double* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_column(values, n_rows, column, bins);
}

}  // namespace cordwood::kernels::avx2
