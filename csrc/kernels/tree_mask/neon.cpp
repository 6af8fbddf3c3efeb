// tree_mask on NEON: tbl fetches the bins of 16 nodes, 64 columns at a time; one more tbl for every 2 or 4
// of the answers widens them to masks of lanes.
//
// 16 nodes of up to 64 columns: two loads, a look-up and a compare; then for every 16 bytes of words a
// load, a widening look-up, an or and an and. 500 trees of 31 leaves: 960 times 25 instructions. Beyond 64
// columns a look-up grows by two instructions for every 64 more.
#include <arm_neon.h>

#include "kernels/tree_mask/tree_mask.hpp"

namespace cordwood::kernels::neon {
namespace {

constexpr uint32_t kNodes = 16;     // decided at once
constexpr uint32_t kRegisters = 4;  // of words: 64 bytes of either width

// Words of one register.
template <class Word>
constexpr uint32_t kLanes = 16 / sizeof(Word);

// Bins of up to 64 kTables columns.
template <uint32_t kTables>
struct Bins {
  uint8x16x4_t part[kTables];

  explicit Bins(const uint8_t* bins) {
    for (uint32_t t = 0; t < kTables; ++t) {
      for (uint32_t i = 0; i < 4; ++i) part[t].val[i] = vld1q_u8(bins + 64 * t + 16 * i);
    }
  }

  // A column beyond a table looks up zero, or leaves what earlier tables gave.
  [[gnu::always_inline]] uint8x16_t at(uint8x16_t column_u8x16) const {
    uint8x16_t bin = vqtbl4q_u8(part[0], column_u8x16);
#pragma GCC unroll 4
    for (uint32_t t = 1; t < kTables; ++t) {
      const uint8x16_t index = vsubq_u8(column_u8x16, vdupq_n_u8(static_cast<uint8_t>(64 * t)));
      bin = vqtbx4q_u8(bin, part[t], index);
    }
    return bin;
  }
};

[[gnu::always_inline]] inline uint8x16_t load(const void* p) {
  return vld1q_u8(static_cast<const uint8_t*>(p));
}

// Leaves that a register of lanes keeps: where `right` is zeros, all of them.
[[gnu::always_inline]] inline uint8x16_t clear(uint8x16_t left, const void* keep,
                                               uint8x16_t right) {
  return vandq_u8(left, vornq_u8(load(keep), right));
}

// Words of ones where bytes `node`, `node` + 1, ... are ones.
[[gnu::always_inline]] inline uint8x16_t widen(const uint32_t*, uint8x16_t right, uint32_t node) {
  const uint32x4_t next = {0, 0x01010101, 0x02020202, 0x03030303};
  const uint8x16_t from = vdupq_n_u8(static_cast<uint8_t>(node));
  return vqtbl1q_u8(right, vaddq_u8(vreinterpretq_u8_u32(next), from));
}
[[gnu::always_inline]] inline uint8x16_t widen(const uint64_t*, uint8x16_t right, uint32_t node) {
  const uint64x2_t next = {0, 0x0101010101010101};
  const uint8x16_t from = vdupq_n_u8(static_cast<uint8_t>(node));
  return vqtbl1q_u8(right, vaddq_u8(vreinterpretq_u8_u64(next), from));
}

// Words of ones where bits `lane`, `lane` + 1, ... are ones.
[[gnu::always_inline]] inline uint8x16_t widen_bits(const uint32_t*, uint32_t right,
                                                    uint32_t lane) {
  const uint32x4_t bit = {1, 2, 4, 8};
  return vreinterpretq_u8_u32(vtstq_u32(vdupq_n_u32(right >> lane), bit));
}
[[gnu::always_inline]] inline uint8x16_t widen_bits(const uint64_t*, uint32_t right,
                                                    uint32_t lane) {
  const uint64x2_t bit = {1, 2};
  return vreinterpretq_u8_u64(vtstq_u64(vdupq_n_u64(right >> lane), bit));
}

void store_lowest_bits(const uint32_t*, const uint8x16_t* left, uint32_t* leaves) {
  for (uint32_t r = 0; r < kRegisters; ++r) {
    const uint32x4_t word = vreinterpretq_u32_u8(left[r]);
    const uint32x4_t lowest = vandq_u32(word, vsubq_u32(vdupq_n_u32(0), word));
    vst1q_u32(leaves + 4 * r, vsubq_u32(vdupq_n_u32(31), vclzq_u32(lowest)));
  }
}
void store_lowest_bits(const uint64_t*, const uint8x16_t* left, uint32_t* leaves) {
  for (uint32_t r = 0; r < kRegisters; ++r) {
    const uint64x2_t word = vreinterpretq_u64_u8(left[r]);
    leaves[2 * r] = static_cast<uint32_t>(__builtin_ctzll(vgetq_lane_u64(word, 0)));
    leaves[2 * r + 1] = static_cast<uint32_t>(__builtin_ctzll(vgetq_lane_u64(word, 1)));
  }
}

template <class Word>
void clear_categories(const MaskModel& model, const MaskGroup& group, const uint8_t* bins,
                      uint8x16_t* left) {
  constexpr uint32_t kGroupLanes = kRegisters * kLanes<Word>;
  constexpr uint32_t kBytes = kGroupLanes / 8;
  for (uint32_t r = 0; r < group.n_runs; ++r) {
    const MaskRun& run = model.runs[group.first_run + r];
    const uint8_t* bits =
        model.bits + run.first_bit_byte + uint64_t{bins[run.column]} * run.n_steps * kBytes;
    const Word* keep =
        static_cast<const Word*>(model.run_keep) + uint64_t{run.first_step} * kGroupLanes;
    for (uint32_t step = 0; step < run.n_steps; ++step, bits += kBytes, keep += kGroupLanes) {
      const uint32_t right = kBytes == 2 ? bits[0] | uint32_t{bits[kBytes - 1]} << 8 : bits[0];
#pragma GCC unroll 4
      for (uint32_t i = 0; i < kRegisters; ++i) {
        const uint32_t lane = i * kLanes<Word>;
        left[i] = clear(left[i], keep + lane, widen_bits(keep, right, lane));
      }
    }
  }
}

template <uint32_t kTables, class Word>
void mask_groups(const MaskModel& model, const uint8_t* row_bins, uint32_t* leaves) {
  constexpr uint32_t kGroupLanes = kRegisters * kLanes<Word>;
  const Bins<kTables> bins(row_bins);
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    const MaskGroup& group = model.groups[g];
    uint8x16_t left[kRegisters];
    for (uint8x16_t& words : left) words = vdupq_n_u8(0xFF);
    const uint64_t first = uint64_t{group.first_step} * kGroupLanes;
    const uint64_t end = first + uint64_t{group.n_steps} * kGroupLanes;
    for (uint64_t at = first; at < end; at += kNodes) {
      const uint8x16_t bin = bins.at(load(model.columns + at));
      const uint8x16_t right = vcgtq_u8(bin, load(model.ranks + at));
      const Word* keep = static_cast<const Word*>(model.keep) + at;
#pragma GCC unroll 8
      for (uint32_t node = 0; node < kNodes; node += kLanes<Word>) {
        uint8x16_t& words = left[node / kLanes<Word> % kRegisters];
        words = clear(words, keep + node, widen(keep, right, node));
      }
    }
    clear_categories<Word>(model, group, row_bins, left);
    store_lowest_bits(static_cast<const Word*>(nullptr), left, leaves + g * kGroupLanes);
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
  if (model.n_columns <= 64) {
    mask_any<1>(model, bins, leaves);
  } else if (model.n_columns <= 128) {
    mask_any<2>(model, bins, leaves);
  } else {
    mask_any<4>(model, bins, leaves);
  }
}

}  // namespace cordwood::kernels::neon
