// tree_bin on AVX-512: a binary search whose top levels are register look-ups.
//
// Numeric columns of up to 255 cuts are searched by integer keys (avx512_keys.hpp). The others compare
// floats: slots 1 to 15 (levels 0 to 3) of a float32 column lie in one register, level 4 in the next
// one, level 5 in two, 6 in four, 7 in eight: each level is one or more two-table permutes, a compare
// and an add for 16 values. float64 columns have half the lanes and twice the tables. Levels 6 (float64)
// or 8 (float32) and beyond gather.
#include <immintrin.h>

#include "format/operators.h"
#include "kernels/tree_bin/avx512_keys.hpp"
#include "kernels/tree_bin/tree_bin.hpp"

namespace cordwood::kernels::avx512 {
namespace {

// ---- float32, 16 values ----------------------------------------------------------------------

struct F32 {
  using Scalar = float;
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr uint64_t kLanes = 16;

  static Mask lanes(uint64_t n) {
    return static_cast<Mask>(n >= kLanes ? 0xFFFFu : (1u << n) - 1u);
  }
  static Vector load(Mask m, const float* p) { return _mm512_maskz_loadu_ps(m, p); }

  // Slots of the search, one a lane.
  static __m512i root() { return _mm512_set1_epi32(1); }

  static __m512i descend(__m512i slot, Vector x, Vector cut) {
    const __m512i child = _mm512_add_epi32(slot, slot);
    return _mm512_mask_add_epi32(child, _mm512_cmp_ps_mask(x, cut, _CMP_GT_OQ), child,
                                 _mm512_set1_epi32(1));
  }

  // Cuts of 32 neighbouring slots from two registers, by the slot's low five bits.
  static Vector pick32(const float* p, __m512i slot) {
    return _mm512_permutex2var_ps(_mm512_load_ps(p), slot, _mm512_load_ps(p + 16));
  }

  [[gnu::always_inline]] static Vector cut_at(const float* levels, uint32_t level, __m512i slot) {
    switch (level) {
      case 0:
      case 1:
      case 2:
      case 3:
        return _mm512_permutexvar_ps(slot, _mm512_load_ps(levels));
      case 4:
        return _mm512_permutexvar_ps(slot, _mm512_load_ps(levels + 16));
      case 5:
        return pick32(levels + 32, slot);
      case 6: {
        const __mmask16 upper = _mm512_test_epi32_mask(slot, _mm512_set1_epi32(32));
        return _mm512_mask_blend_ps(upper, pick32(levels + 64, slot), pick32(levels + 96, slot));
      }
      case 7: {
        const __mmask16 upper = _mm512_test_epi32_mask(slot, _mm512_set1_epi32(32));
        const __mmask16 top = _mm512_test_epi32_mask(slot, _mm512_set1_epi32(64));
        const Vector low =
            _mm512_mask_blend_ps(upper, pick32(levels + 128, slot), pick32(levels + 160, slot));
        const Vector high =
            _mm512_mask_blend_ps(upper, pick32(levels + 192, slot), pick32(levels + 224, slot));
        return _mm512_mask_blend_ps(top, low, high);
      }
      default:
        return _mm512_i32gather_ps(slot, levels, 4);
    }
  }

  static __m512i subtract(__m512i slot, uint32_t n) {
    return _mm512_sub_epi32(slot, _mm512_set1_epi32(static_cast<int>(n)));
  }
  static __m512i all(uint32_t n) { return _mm512_set1_epi32(static_cast<int>(n)); }
  static __m512i choose(Mask m, __m512i no, __m512i yes) {
    return _mm512_mask_blend_epi32(m, no, yes);
  }
  static Mask below(__m512i a, __m512i b) { return _mm512_cmplt_epu32_mask(a, b); }
  static Mask missing(Vector x, double band) {
    const Mask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    if (band < 0.0) return nan;
    const __m512 size = _mm512_abs_ps(x);
    const __m512d limit = _mm512_set1_pd(band);
    const __mmask8 low =
        _mm512_cmp_pd_mask(_mm512_cvtps_pd(_mm512_castps512_ps256(size)), limit, _CMP_LE_OQ);
    const __mmask8 high =
        _mm512_cmp_pd_mask(_mm512_cvtps_pd(_mm512_extractf32x8_ps(size, 1)), limit, _CMP_LE_OQ);
    return static_cast<Mask>(nan | low | (high << 8));
  }
  static Vector whole(uint32_t rule, Vector x) {
    if (rule == CORDWOOD_CATEGORY_EXACT) return x;
    return rule == CORDWOOD_CATEGORY_FLOOR ? _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF)
                                           : _mm512_roundscale_ps(x, _MM_FROUND_TO_ZERO);
  }
  static Mask equal_at(Mask m, const float* listed, __m512i position, Vector value) {
    const Vector there = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), m, position, listed, 4);
    return _mm512_mask_cmp_ps_mask(m, there, value, _CMP_EQ_OQ);
  }
  template <class Bin>
  static void store(Bin* out, Mask m, __m512i bin) {
    put(out, m, bin);
  }
};

// ---- float64, 8 values -----------------------------------------------------------------------

struct F64 {
  using Scalar = double;
  using Vector = __m512d;
  using Mask = __mmask8;
  static constexpr uint64_t kLanes = 8;

  static Mask lanes(uint64_t n) { return static_cast<Mask>(n >= kLanes ? 0xFFu : (1u << n) - 1u); }
  static Vector load(Mask m, const double* p) { return _mm512_maskz_loadu_pd(m, p); }
  static __m512i root() { return _mm512_set1_epi64(1); }

  static __m512i descend(__m512i slot, Vector x, Vector cut) {
    const __m512i child = _mm512_add_epi64(slot, slot);
    return _mm512_mask_add_epi64(child, _mm512_cmp_pd_mask(x, cut, _CMP_GT_OQ), child,
                                 _mm512_set1_epi64(1));
  }

  // Cuts of 16 neighbouring slots from two registers, by the slot's low four bits.
  static Vector pick16(const double* p, __m512i slot) {
    return _mm512_permutex2var_pd(_mm512_load_pd(p), slot, _mm512_load_pd(p + 8));
  }

  [[gnu::always_inline]] static Vector cut_at(const double* levels, uint32_t level, __m512i slot) {
    switch (level) {
      case 0:
      case 1:
      case 2:
        return _mm512_permutexvar_pd(slot, _mm512_load_pd(levels));
      case 3:
        return pick16(levels, slot);
      case 4:
        return pick16(levels + 16, slot);
      case 5: {
        const __mmask8 upper = _mm512_test_epi64_mask(slot, _mm512_set1_epi64(16));
        return _mm512_mask_blend_pd(upper, pick16(levels + 32, slot), pick16(levels + 48, slot));
      }
      default:
        return _mm512_i64gather_pd(slot, levels, 8);
    }
  }

  static __m512i subtract(__m512i slot, uint32_t n) {
    return _mm512_sub_epi64(slot, _mm512_set1_epi64(n));
  }
  static __m512i all(uint32_t n) { return _mm512_set1_epi64(n); }
  static __m512i choose(Mask m, __m512i no, __m512i yes) {
    return _mm512_mask_blend_epi64(m, no, yes);
  }
  static Mask below(__m512i a, __m512i b) { return _mm512_cmplt_epu64_mask(a, b); }
  static Mask missing(Vector x, double band) {
    const Mask nan = _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q);
    const Mask near = _mm512_cmp_pd_mask(_mm512_abs_pd(x), _mm512_set1_pd(band), _CMP_LE_OQ);
    return static_cast<Mask>(nan | near);
  }
  static Vector whole(uint32_t rule, Vector x) {
    if (rule == CORDWOOD_CATEGORY_EXACT) return x;
    return rule == CORDWOOD_CATEGORY_FLOOR ? _mm512_roundscale_pd(x, _MM_FROUND_TO_NEG_INF)
                                           : _mm512_roundscale_pd(x, _MM_FROUND_TO_ZERO);
  }
  static Mask equal_at(Mask m, const double* listed, __m512i position, Vector value) {
    const Vector there = _mm512_mask_i64gather_pd(_mm512_setzero_pd(), m, position, listed, 8);
    return _mm512_mask_cmp_pd_mask(m, there, value, _CMP_EQ_OQ);
  }
  static void store(uint8_t* out, Mask m, __m512i bin) {
    if (m == 0xFF)
      return _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm512_cvtepi64_epi8(bin));
    _mm512_mask_cvtepi64_storeu_epi8(out, m, bin);
  }
  static void store(uint16_t* out, Mask m, __m512i bin) {
    if (m == 0xFF)
      return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi64_epi16(bin));
    _mm512_mask_cvtepi64_storeu_epi16(out, m, bin);
  }
};

// ---- the kernel ------------------------------------------------------------------------------

// kDepth > 0 fixes the number of levels, so that the search unrolls and its tables stay in registers.
template <class Isa, uint32_t kDepth, class Bin>
void bin_rows(const typename Isa::Scalar* values, uint64_t n_rows, const BinColumn& column,
              Bin* bins) {
  const auto* levels = static_cast<const typename Isa::Scalar*>(column.levels);
  const auto* listed = static_cast<const typename Isa::Scalar*>(column.sorted);
  const bool category = column.category != 0;
  const uint32_t depth = kDepth != 0 ? kDepth : column.depth;
  for (uint64_t row = 0; row < n_rows; row += Isa::kLanes) {
    const auto lanes = Isa::lanes(n_rows - row);
    const auto x = Isa::load(lanes, values + row);
    const auto value = category ? Isa::whole(column.rule, x) : x;
    __m512i slot = Isa::root();
#pragma GCC unroll 8
    for (uint32_t level = 0; level < depth; ++level) {
      slot = Isa::descend(slot, value, Isa::cut_at(levels, level, slot));
    }
    __m512i bin = Isa::subtract(slot, 1u << depth);
    if (category) {
      const auto inside = Isa::below(bin, Isa::all(column.count));
      const auto found = Isa::equal_at(inside, listed, bin, value);
      bin = Isa::choose(found, Isa::all(column.other_bin), bin);
    }
    bin = Isa::choose(Isa::missing(x, column.zero_band), bin, Isa::all(column.missing_bin));
    Isa::store(bins + row, lanes, bin);
  }
}

template <class Isa, class Bin>
void bin_column(const typename Isa::Scalar* values, uint64_t n_rows, const BinColumn& column,
                Bin* bins) {
  if (column.keys != nullptr && bin_by_keys<AddSign>(values, n_rows, column, bins)) return;
  switch (column.depth) {
    case 4:
      return bin_rows<Isa, 4>(values, n_rows, column, bins);
    case 5:
      return bin_rows<Isa, 5>(values, n_rows, column, bins);
    case 6:
      return bin_rows<Isa, 6>(values, n_rows, column, bins);
    case 7:
      return bin_rows<Isa, 7>(values, n_rows, column, bins);
    case 8:
      return bin_rows<Isa, 8>(values, n_rows, column, bins);
    default:
      return bin_rows<Isa, 0>(values, n_rows, column, bins);
  }
}

}  // namespace

void tree_bin_f32_u8(const float* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_column<F32>(values, n_rows, column, bins);
}

void tree_bin_f64_u8(const double* values, uint64_t n_rows, const BinColumn& column,
                     uint8_t* bins) noexcept {
  bin_column<F64>(values, n_rows, column, bins);
}

void tree_bin_f32_u16(const float* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_column<F32>(values, n_rows, column, bins);
}

void tree_bin_f64_u16(const double* values, uint64_t n_rows, const BinColumn& column,
                      uint16_t* bins) noexcept {
  bin_column<F64>(values, n_rows, column, bins);
}

}  // namespace cordwood::kernels::avx512
