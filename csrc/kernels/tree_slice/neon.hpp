// What blocks and words of rows have in common on NEON: bits from answers, leaf numbers from bits, and
// leaf values by byte planes.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace cordwood::kernels::neon {
namespace {

constexpr uint32_t kByteRows = 16;  // rows whose bins or leaf numbers fill a register

[[gnu::always_inline]] inline uint8x16_t load(const void* p) {
  return vld1q_u8(static_cast<const uint8_t*>(p));
}
[[gnu::always_inline]] inline void store(void* p, uint8x16_t value) {
  vst1q_u8(static_cast<uint8_t*>(p), value);
}

// ---- conditions ------------------------------------------------------------------------------

// Bit `bin` of a 256-bit table, as a byte of ones or zeros.
[[gnu::always_inline]] inline uint8x16_t look_up_bits(const uint8_t* table, uint8x16_t bin_u8x16) {
  const uint8x16_t bit_of = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
  const uint8x16x2_t bytes = {{load(table), load(table + 16)}};
  return vtstq_u8(vqtbl2q_u8(bytes, vshrq_n_u8(bin_u8x16, 3)),
                  vqtbl1q_u8(bit_of, vandq_u8(bin_u8x16, vdupq_n_u8(7))));
}

// Bit m of each byte from answer m (all ones or zeros) of four: once in each half of the byte.
[[gnu::always_inline]] inline uint8x16_t gather_four(const uint8x16_t* answer) {
  const uint8x16_t single = vdupq_n_u8(0x55);
  return vbslq_u8(vdupq_n_u8(0x33), vbslq_u8(single, answer[0], answer[1]),
                  vbslq_u8(single, answer[2], answer[3]));
}

// ---- leaf numbers ----------------------------------------------------------------------------

// Exchanges bits 4-7 of `a` with bits 0-3 of `b`.
[[gnu::always_inline]] inline void exchange_nibbles(uint8x16_t& a, uint8x16_t& b) {
  const uint8x16_t first = a;
  a = vsliq_n_u8(a, b, 4);
  b = vsriq_n_u8(b, first, 4);
}

// Exchanges the bits of `a` that `stay` leaves out with those of `b` that it names.
template <int kShift>
[[gnu::always_inline]] inline void exchange(uint8x16_t& a, uint8x16_t& b, uint8x16_t stay) {
  const uint8x16_t first = a;
  a = vbslq_u8(stay, a, vshlq_n_u8(b, kShift));
  b = vbslq_u8(stay, vshrq_n_u8(first, kShift), b);
}

// The last two of three rounds of an 8x8 bit transpose, on registers 0-3 of four.
[[gnu::always_inline]] inline void transpose_in_nibbles(uint8x16_t* x) {
  const uint8x16_t pair = vdupq_n_u8(0x33);
  const uint8x16_t single = vdupq_n_u8(0x55);
  exchange<2>(x[0], x[2], pair);
  exchange<2>(x[1], x[3], pair);
  exchange<1>(x[0], x[1], single);
  exchange<1>(x[2], x[3], single);
}

// ---- leaf values -----------------------------------------------------------------------------

// Entries of the plane that so many tables of 16 are read from.
template <uint32_t kTables>
constexpr uint32_t kEntries = kTables <= 4 ? 64 : 256;

[[gnu::always_inline]] inline uint8x16x4_t load_64(const uint8_t* p) {
  return {{load(p), load(p + 16), load(p + 32), load(p + 48)}};
}

// The bytes of `kRegisters` times 16 leaves in one plane. An index beyond a table looks up zero, or
// leaves what earlier tables gave.
template <uint32_t kTables, uint32_t kRegisters>
[[gnu::always_inline]] inline void look_up(const uint8_t* plane, const uint8x16_t* leaf,
                                           uint8x16_t* value) {
  if constexpr (kTables == 1) {
    const uint8x16_t table = load(plane);
    for (uint32_t r = 0; r < kRegisters; ++r) value[r] = vqtbl1q_u8(table, leaf[r]);
  } else if constexpr (kTables == 2) {
    const uint8x16x2_t table = {{load(plane), load(plane + 16)}};
    for (uint32_t r = 0; r < kRegisters; ++r) value[r] = vqtbl2q_u8(table, leaf[r]);
  } else {
    uint8x16x4_t table = load_64(plane);
    for (uint32_t r = 0; r < kRegisters; ++r) value[r] = vqtbl4q_u8(table, leaf[r]);
#pragma GCC unroll 3
    for (uint32_t first = 64; first < 16 * kTables; first += 64) {
      table = load_64(plane + first);
      for (uint32_t r = 0; r < kRegisters; ++r) {
        const uint8x16_t index = vsubq_u8(leaf[r], vdupq_n_u8(static_cast<uint8_t>(first)));
        value[r] = vqtbx4q_u8(value[r], table, index);
      }
    }
  }
}

// 32-bit pieces of 16 rows, in row order.
struct Quad {
  uint32x4_t part[4];
};

[[gnu::always_inline]] inline Quad join(uint8x16_t b0, uint8x16_t b1, uint8x16_t b2,
                                        uint8x16_t b3) {
  const uint16x8_t low_lo = vreinterpretq_u16_u8(vzip1q_u8(b0, b1));
  const uint16x8_t low_hi = vreinterpretq_u16_u8(vzip2q_u8(b0, b1));
  const uint16x8_t high_lo = vreinterpretq_u16_u8(vzip1q_u8(b2, b3));
  const uint16x8_t high_hi = vreinterpretq_u16_u8(vzip2q_u8(b2, b3));
  return {{vreinterpretq_u32_u16(vzip1q_u16(low_lo, high_lo)),
           vreinterpretq_u32_u16(vzip2q_u16(low_lo, high_lo)),
           vreinterpretq_u32_u16(vzip1q_u16(low_hi, high_hi)),
           vreinterpretq_u32_u16(vzip2q_u16(low_hi, high_hi))}};
}

// 32 rows: the tables of a plane are loaded once for two registers of leaves.
constexpr uint32_t kLeafRegisters = 2;
constexpr uint32_t kLeafRows = kLeafRegisters * kByteRows;

template <uint32_t kTables>
[[gnu::always_inline]] inline void add_leaves(const uint8_t* table, const uint8x16_t* leaf,
                                              float* sums) {
  uint8x16_t byte[4][kLeafRegisters];
#pragma GCC unroll 4
  for (uint32_t b = 0; b < 4; ++b) {
    look_up<kTables, kLeafRegisters>(table + b * kEntries<kTables>, leaf, byte[b]);
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < kLeafRegisters; ++r, sums += kByteRows) {
    const Quad value = join(byte[0][r], byte[1][r], byte[2][r], byte[3][r]);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      float* at = sums + 4 * e;
      vst1q_f32(at, vaddq_f32(vld1q_f32(at), vreinterpretq_f32_u32(value.part[e])));
    }
  }
}

template <uint32_t kTables>
[[gnu::always_inline]] inline void add_leaves(const uint8_t* table, const uint8x16_t* leaf,
                                              double* sums) {
  uint8x16_t byte[8][kLeafRegisters];
#pragma GCC unroll 8
  for (uint32_t b = 0; b < 8; ++b) {
    look_up<kTables, kLeafRegisters>(table + b * kEntries<kTables>, leaf, byte[b]);
  }
#pragma GCC unroll 2
  for (uint32_t r = 0; r < kLeafRegisters; ++r, sums += kByteRows) {
    const Quad low = join(byte[0][r], byte[1][r], byte[2][r], byte[3][r]);
    const Quad high = join(byte[4][r], byte[5][r], byte[6][r], byte[7][r]);
#pragma GCC unroll 4
    for (uint32_t e = 0; e < 4; ++e) {
      double* at = sums + 4 * e;
      const uint32x4_t lo = vzip1q_u32(low.part[e], high.part[e]);
      const uint32x4_t hi = vzip2q_u32(low.part[e], high.part[e]);
      vst1q_f64(at, vaddq_f64(vld1q_f64(at), vreinterpretq_f64_u32(lo)));
      vst1q_f64(at + 2, vaddq_f64(vld1q_f64(at + 2), vreinterpretq_f64_u32(hi)));
    }
  }
}

// Leaf numbers of `n_rows` rows, at 64 bytes or more, to sums.
template <uint32_t kTables, class Float>
void add_all_leaves(const uint8_t* table, const uint8_t* leaves, uint32_t n_rows, Float* sums) {
  for (uint32_t row = 0; row < n_rows; row += kLeafRows) {
    const uint8x16_t leaf[kLeafRegisters] = {load(leaves + row), load(leaves + row + kByteRows)};
    add_leaves<kTables>(table, leaf, sums + row);
  }
}

template <class Float>
void add_all_leaves(const uint8_t* table, uint32_t digits, const uint8_t* leaves, uint32_t n_rows,
                    Float* sums) {
  if (digits <= 4) return add_all_leaves<1>(table, leaves, n_rows, sums);
  if (digits == 5) return add_all_leaves<2>(table, leaves, n_rows, sums);
  if (digits == 6) return add_all_leaves<4>(table, leaves, n_rows, sums);
  if (digits == 7) return add_all_leaves<8>(table, leaves, n_rows, sums);
  add_all_leaves<16>(table, leaves, n_rows, sums);
}

}  // namespace
}  // namespace cordwood::kernels::neon
