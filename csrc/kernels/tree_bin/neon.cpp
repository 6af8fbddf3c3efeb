// tree_bin on NEON: a binary search of 16 values at a time, on planes of bytes.
//
// Numbers become integer keys of the same order. Byte b of all 16 keys is one register, and byte b of a
// level's cuts is a table that is looked up by tbl: one instruction for up to 64 entries, two for 128. The
// first byte that differs decides,
//
//     right = k[3] > c[3] or (k[3] = c[3] and (k[2] > c[2] or ...))     two compares and a select each
//
// so that answers and slots are bytes, and nothing is narrowed. Tables are cut into planes once a call.
//
// float64 searches the upper halves of its numbers and asks the whole ones only where halves are equal,
// which data seldom are. Columns of more than 255 cuts go on one value after the other below the first
// eight levels (float32) or from the root (float64); so do categories and the last values of a
// column.
//
// 16 float32 values of 255 cuts take 218 instructions: 8 levels of 4 look-ups (8 in the last), 11 compares
// and selects and 2 for the slot, 32 loads of tables, and the making of keys and bins. float64 takes 346: 5
// more a level to notice what is equal, and registers that have to be stored.
#include <arm_neon.h>

#include "format/operators.h"
#include "kernels/tree_bin/tree_bin.hpp"

#define CORDWOOD_BIN_FLOAT float
#define CORDWOOD_BIN_NAME(name) name##_f32
#include "kernels/tree_bin/step.h"
#undef CORDWOOD_BIN_FLOAT
#undef CORDWOOD_BIN_NAME
#define CORDWOOD_BIN_FLOAT double
#define CORDWOOD_BIN_NAME(name) name##_f64
#include "kernels/tree_bin/step.h"
#undef CORDWOOD_BIN_FLOAT
#undef CORDWOOD_BIN_NAME

namespace cordwood::kernels::neon {
namespace {

constexpr uint64_t kRows = 16;  // searched at once
constexpr uint32_t kPlanes = 4;
constexpr uint32_t kPlaneSlots = 256;  // of levels 0 to 7
constexpr uint32_t kPlaneDepth = 8;

// ---- one value -------------------------------------------------------------------------------

float code(uint32_t rule, float x) {
  return code_f32(rule, x);
}
double code(uint32_t rule, double x) {
  return code_f64(rule, x);
}

// The rank of x, from a slot of `level` on.
template <class Float>
uint32_t rank_from(const BinColumn& column, uint32_t level, uint32_t slot, Float x) {
  const auto* levels = static_cast<const Float*>(column.levels);
  for (; level < column.depth; ++level) slot = 2 * slot + (x > levels[slot] ? 1u : 0u);
  return slot - (1u << column.depth);
}

template <class Float>
bool is_missing(const BinColumn& column, Float x) {
  const Float magnitude = x < 0 ? -x : x;
  return x != x || static_cast<double>(magnitude) <= column.zero_band;
}

template <class Float>
uint32_t bin_one(const BinColumn& column, Float x) {
  if (is_missing(column, x)) return column.missing_bin;
  if (column.category == 0) return rank_from(column, 0, 1, x);
  const Float value = code(column.rule, x);
  const uint32_t position = rank_from(column, 0, 1, value);
  const bool found =
      position < column.count && static_cast<const Float*>(column.sorted)[position] == value;
  return found ? position : column.other_bin;
}

template <class Float, class Bin>
void bin_one_by_one(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  for (uint64_t row = 0; row < n_rows; ++row) {
    bins[row] = static_cast<Bin>(bin_one(column, values[row]));
  }
}

// ---- keys of 16 values -----------------------------------------------------------------------

// Byte b of 16 keys is register b.
struct Keys {
  uint8x16_t plane[kPlanes];
};

// cordwood_bin_key of each: all bits but the sign are inverted where it is set.
[[gnu::always_inline]] inline Keys order(const Keys& upper) {
  const uint8x16_t sign = vreinterpretq_u8_s8(vshrq_n_s8(vreinterpretq_s8_u8(upper.plane[3]), 7));
  return {{veorq_u8(upper.plane[0], sign), veorq_u8(upper.plane[1], sign),
           veorq_u8(upper.plane[2], sign), veorq_u8(upper.plane[3], vshrq_n_u8(sign, 1))}};
}

[[gnu::always_inline]] inline Keys split(const uint32x4_t (&word)[4]) {
  uint8x16_t low[2];
  uint8x16_t high[2];
#pragma GCC unroll 2
  for (uint32_t i = 0; i < 2; ++i) {
    const uint16x8_t first = vreinterpretq_u16_u32(word[2 * i]);
    const uint16x8_t second = vreinterpretq_u16_u32(word[2 * i + 1]);
    low[i] = vreinterpretq_u8_u16(vuzp1q_u16(first, second));
    high[i] = vreinterpretq_u8_u16(vuzp2q_u16(first, second));
  }
  return {{vuzp1q_u8(low[0], low[1]), vuzp2q_u8(low[0], low[1]), vuzp1q_u8(high[0], high[1]),
           vuzp2q_u8(high[0], high[1])}};
}

// -0.0 comes between the largest negative number and 0.0, where it is as good as 0.0: no cut is -0.0.
[[gnu::always_inline]] inline Keys keys_of(const float* values) {
  uint32x4_t word[4];
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) {
    word[i] = vreinterpretq_u32_f32(vld1q_f32(values + 4 * i));
  }
  return order(split(word));
}

[[gnu::always_inline]] inline Keys keys_of(const double* values) {
  uint32x4_t upper[4];
#pragma GCC unroll 4
  for (uint32_t i = 0; i < 4; ++i) {
    const float64x2_t first = vld1q_f64(values + 4 * i);
    const float64x2_t second = vld1q_f64(values + 4 * i + 2);
    upper[i] = vuzp2q_u32(vreinterpretq_u32_f64(first), vreinterpretq_u32_f64(second));
  }
  return order(split(upper));
}

// ---- which values are missing ------------------------------------------------------------------

// A band as the values' type: the same numbers lie in it. NaN where none do.
float band_of(float, double band) {
  if (band < 0.0) return __builtin_nanf("");
  auto nearest = static_cast<float>(band);
  if (static_cast<double>(nearest) > band) {  // so the next one below is meant
    uint32_t bits;
    __builtin_memcpy(&bits, &nearest, sizeof bits);
    --bits;
    __builtin_memcpy(&nearest, &bits, sizeof bits);
  }
  return nearest;
}
double band_of(double, double band) {
  return band < 0.0 ? __builtin_nan("") : band;
}

// Bytes of ones where a value is NaN or lies in the band.
[[gnu::always_inline]] inline uint8x16_t missing_of(const float* values, float band) {
  uint16x8_t half[2];
#pragma GCC unroll 2
  for (uint32_t i = 0; i < 2; ++i) {
    uint16x8_t part[2];
#pragma GCC unroll 2
    for (uint32_t j = 0; j < 2; ++j) {
      const float32x4_t x = vld1q_f32(values + 8 * i + 4 * j);
      const uint32x4_t inside = vcaleq_f32(x, vdupq_n_f32(band));
      part[j] = vreinterpretq_u16_u32(vornq_u32(inside, vceqq_f32(x, x)));
    }
    half[i] = vuzp1q_u16(part[0], part[1]);
  }
  return vuzp1q_u8(vreinterpretq_u8_u16(half[0]), vreinterpretq_u8_u16(half[1]));
}

[[gnu::always_inline]] inline uint8x16_t missing_of(const double* values, double band) {
  uint16x8_t half[2];
#pragma GCC unroll 2
  for (uint32_t i = 0; i < 2; ++i) {
    uint32x4_t part[4];
#pragma GCC unroll 4
    for (uint32_t j = 0; j < 4; ++j) {
      const float64x2_t x = vld1q_f64(values + 8 * i + 2 * j);
      const uint64x2_t inside = vcaleq_f64(x, vdupq_n_f64(band));
      const uint64x2_t number = vceqq_f64(x, x);
      part[j] = vornq_u32(vreinterpretq_u32_u64(inside), vreinterpretq_u32_u64(number));
    }
    half[i] = vuzp1q_u16(vreinterpretq_u16_u32(vuzp1q_u32(part[0], part[1])),
                         vreinterpretq_u16_u32(vuzp1q_u32(part[2], part[3])));
  }
  return vuzp1q_u8(vreinterpretq_u8_u16(half[0]), vreinterpretq_u8_u16(half[1]));
}

// ---- the search ------------------------------------------------------------------------------

// The keys of the slots of up to eight levels, byte by byte.
struct Planes {
  alignas(16) uint8_t byte[kPlanes][kPlaneSlots];
};

uint32_t plane_slots(const BinColumn& column) {
  if (column.depth >= kPlaneDepth) return kPlaneSlots;
  return column.depth < 4 ? kBinMinSlots : 1u << column.depth;
}

[[gnu::always_inline]] inline Keys take_apart(const void* sixteen) {
  const uint8x16x4_t byte = vld4q_u8(static_cast<const uint8_t*>(sixteen));
  return {{byte.val[0], byte.val[1], byte.val[2], byte.val[3]}};
}

void lay(Planes& planes, const BinColumn& column) {
  for (uint32_t slot = 0; slot < plane_slots(column); slot += kRows) {
    const Keys key = column.keys != nullptr
                         ? take_apart(column.keys + slot)
                         : order(take_apart(static_cast<const float*>(column.levels) + slot));
#pragma GCC unroll 4
    for (uint32_t b = 0; b < kPlanes; ++b) vst1q_u8(planes.byte[b] + slot, key.plane[b]);
  }
}

[[gnu::always_inline]] inline uint8x16x4_t load_64(const uint8_t* p) {
  return {{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
}

// Byte of the cut in one of the 2^kLevel slots of a level. Levels 0 to 3 share the first sixteen.
template <uint32_t kLevel>
[[gnu::always_inline]] inline uint8x16_t look_up(const uint8_t* plane, uint8x16_t place) {
  if constexpr (kLevel < 4) {
    return vqtbl1q_u8(vld1q_u8(plane), vaddq_u8(place, vdupq_n_u8(1u << kLevel)));
  } else if constexpr (kLevel == 4) {
    return vqtbl1q_u8(vld1q_u8(plane + 16), place);
  } else if constexpr (kLevel == 5) {
    return vqtbl2q_u8({{vld1q_u8(plane + 32), vld1q_u8(plane + 48)}}, place);
  } else if constexpr (kLevel == 6) {
    return vqtbl4q_u8(load_64(plane + 64), place);
  } else {
    return vqtbx4q_u8(vqtbl4q_u8(load_64(plane + 128), place), load_64(plane + 192),
                      vsubq_u8(place, vdupq_n_u8(64)));
  }
}

// The sign is in the last byte.
[[gnu::always_inline]] inline uint8x16_t greater(uint32_t byte, uint8x16_t a, uint8x16_t b) {
  return byte == kPlanes - 1 ? vcgtq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b))
                             : vcgtq_u8(a, b);
}

// The place of each value in the next level, counted from the left; `equal` collects whose key met a cut's.
template <uint32_t kLevel, bool kNoteEqual>
[[gnu::always_inline]] inline uint8x16_t descend(const Planes& planes, const Keys& key,
                                                 uint8x16_t place, uint8x16_t& equal) {
  uint8x16_t right = vdupq_n_u8(0);
  uint8x16_t same = vdupq_n_u8(0xFF);
#pragma GCC unroll 4
  for (uint32_t b = 0; b < kPlanes; ++b) {
    const uint8x16_t cut = look_up<kLevel>(planes.byte[b], place);
    const uint8x16_t here = vceqq_u8(key.plane[b], cut);
    const uint8x16_t beyond = greater(b, key.plane[b], cut);
    right = b == 0 ? beyond : vbslq_u8(here, right, beyond);
    if constexpr (kNoteEqual) same = vandq_u8(same, here);
  }
  if constexpr (kNoteEqual) equal = vorrq_u8(equal, same);
  return vsubq_u8(vaddq_u8(place, place), right);
}

template <uint32_t kDepth, bool kNoteEqual, uint32_t kLevel = 0>
[[gnu::always_inline]] inline uint8x16_t search(const Planes& planes, const Keys& key,
                                                uint8x16_t place, uint8x16_t& equal) {
  if constexpr (kLevel == kDepth) {
    return place;
  } else {
    place = descend<kLevel, kNoteEqual>(planes, key, place, equal);
    return search<kDepth, kNoteEqual, kLevel + 1>(planes, key, place, equal);
  }
}

// ---- the kernel ------------------------------------------------------------------------------

void store(uint8_t* bins, uint8x16_t rank, uint8x16_t missing, uint32_t missing_bin) {
  vst1q_u8(bins, vbslq_u8(missing, vdupq_n_u8(static_cast<uint8_t>(missing_bin)), rank));
}
void store(uint16_t* bins, uint8x16_t rank, uint8x16_t missing, uint32_t missing_bin) {
  const uint16x8_t none = vdupq_n_u16(static_cast<uint16_t>(missing_bin));
  vst1q_u16(bins, vbslq_u16(vreinterpretq_u16_u8(vzip1q_u8(missing, missing)), none,
                            vmovl_u8(vget_low_u8(rank))));
  vst1q_u16(bins + 8, vbslq_u16(vreinterpretq_u16_u8(vzip2q_u8(missing, missing)), none,
                                vmovl_high_u8(rank)));
}

// Bit 4 i for byte i.
uint64_t nibble_mask(uint8x16_t lanes) {
  const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(lanes), 4);
  return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0) & 0x1111111111111111;
}

// Values whose key met a cut's stopped before the first cut of that key: they step over those below.
template <class Bin>
void finish_equal(const float*, const BinColumn&, uint8x16_t, Bin*) {}
template <class Bin>
void finish_equal(const double* values, const BinColumn& column, uint8x16_t equal, Bin* bins) {
  const auto* sorted = static_cast<const double*>(column.sorted);
  for (uint64_t open = nibble_mask(equal); open != 0; open &= open - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctzll(open)) / 4;
    uint32_t bin = bins[i];
    while (bin < column.count && values[i] > sorted[bin]) ++bin;
    bins[i] = static_cast<Bin>(bin);
  }
}

template <uint32_t kDepth, class Float, class Bin>
void bin_by_planes(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  Planes planes;
  lay(planes, column);
  const Float band = band_of(Float{}, column.zero_band);
  uint64_t row = 0;
  for (; row + kRows <= n_rows; row += kRows) {
    uint8x16_t equal = vdupq_n_u8(0);
    const uint8x16_t rank =
        search<kDepth, sizeof(Float) == 8>(planes, keys_of(values + row), vdupq_n_u8(0), equal);
    const uint8x16_t missing = missing_of(values + row, band);
    store(bins + row, rank, missing, column.missing_bin);
    finish_equal(values + row, column, vbicq_u8(equal, missing), bins + row);
  }
  bin_one_by_one(values + row, n_rows - row, column, bins + row);
}

// The first eight levels by planes, deeper ones value by value.
template <class Bin>
void bin_deep(const float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  Planes planes;
  lay(planes, column);
  uint64_t row = 0;
  for (; row + kRows <= n_rows; row += kRows) {
    uint8x16_t equal = vdupq_n_u8(0);
    uint8_t place[kRows];
    vst1q_u8(place,
             search<kPlaneDepth, false>(planes, keys_of(values + row), vdupq_n_u8(0), equal));
    for (uint64_t i = 0; i < kRows; ++i) {
      const float x = values[row + i];
      const uint32_t rank = rank_from(column, kPlaneDepth, kPlaneSlots + place[i], x);
      bins[row + i] = static_cast<Bin>(is_missing(column, x) ? column.missing_bin : rank);
    }
  }
  bin_one_by_one(values + row, n_rows - row, column, bins + row);
}
template <class Bin>
void bin_deep(const double* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  bin_one_by_one(values, n_rows, column, bins);
}

template <class Float, class Bin>
void bin_column(const Float* values, uint64_t n_rows, const BinColumn& column, Bin* bins) {
  if (column.category != 0 || n_rows < kRows) return bin_one_by_one(values, n_rows, column, bins);
  switch (column.depth) {
    case 1:
      return bin_by_planes<1>(values, n_rows, column, bins);
    case 2:
      return bin_by_planes<2>(values, n_rows, column, bins);
    case 3:
      return bin_by_planes<3>(values, n_rows, column, bins);
    case 4:
      return bin_by_planes<4>(values, n_rows, column, bins);
    case 5:
      return bin_by_planes<5>(values, n_rows, column, bins);
    case 6:
      return bin_by_planes<6>(values, n_rows, column, bins);
    case 7:
      return bin_by_planes<7>(values, n_rows, column, bins);
    case 8:
      return bin_by_planes<8>(values, n_rows, column, bins);
    case 0:
      return bin_one_by_one(values, n_rows, column, bins);
    default:
      return bin_deep(values, n_rows, column, bins);
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

}  // namespace cordwood::kernels::neon
